// The copilot's panel: a question, a short wait, an answer, and what becomes of it.

import { type Answer, type Task, answer, changedPercent } from "./answers.js";
import type { CaseDocument } from "./cases.js";
import { button, find, make, sleep } from "./elements.js";
import { events, since } from "./instrument.js";
import { propose } from "./report.js";
import { view } from "./view.js";

const thinkMs = 600;
const wordMs = 12;

const card = find("answer");
/** The answer that is on the screen and was neither used nor closed. */
let open: { readonly id: string; readonly shownAt: number } | undefined;
/** Counts questions, so that an answer which comes too late is not shown. */
let questions = 0;

export function connectCopilot(openDocument: (document: CaseDocument) => void): void {
  const form = find<HTMLFormElement>("ask-form");
  const question = find<HTMLTextAreaElement>("question");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const task = new FormData(form).get("task") as Task;
    if (task === "question" && question.value.trim() === "") question.focus();
    else void ask(task, question.value, openDocument);
  });
  question.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    form.requestSubmit();
  });
  addEventListener("pagehide", ignoreAnswer);
}

/** Takes the answer away, for whatever reason: if nothing became of it, it was ignored. */
export function ignoreAnswer(): void {
  if (open) events.copilotAnswerIgnored({ answer_id: open.id, shown_for: since(open.shownAt, 3_600_000) });
  closeAnswer();
}

function closeAnswer(): void {
  open = undefined;
  questions += 1;
  card.replaceChildren();
}

async function ask(task: Task, question: string, openDocument: (document: CaseDocument) => void): Promise<void> {
  const askedAt = performance.now();
  ignoreAnswer();
  const number = questions;
  const said = make("p", { class: "said waits" }, `Reading ${view.listed.length} documents…`);
  const box = make("div", { class: "card" }, said);
  card.replaceChildren(box);

  const given = answer(task, question, view.listed);
  await sleep(thinkMs);
  const latency = since(askedAt);
  said.classList.remove("waits");
  const isMoving = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (isMoving) await write(given.text, said, () => number === questions);
  if (number !== questions) return;
  said.textContent = given.text;
  open = { id: given.id, shownAt: performance.now() };
  events.copilotAnswerShown({
    answer_id: given.id,
    task,
    model: given.model,
    source_count: given.sources.length,
    latency,
    cost: given.costCents,
  });

  if (given.sources.length > 0) {
    const sources = given.sources.map((document, at) =>
      button(`[${at + 1}] ${document.subject}`, "", () => openDocument(document)),
    );
    box.append(make("div", { class: "sources" }, ...sources));
  } else {
    events.safetySignalRaised({ signal: "unsupported_answer", severity: 2, was_blocked: false });
    box.append(make("p", { class: "warning", role: "note" }, "No source. Check this before you rely on it."));
  }
  box.append(actions(given, said), rating(given));
}

async function write(text: string, into: HTMLElement, goesOn: () => boolean): Promise<void> {
  into.textContent = "";
  for (const part of text.split(/(?<=\s)/)) {
    if (!goesOn()) return;
    into.append(part);
    await sleep(wordMs);
  }
}

/** Use, edit, dismiss. */
function actions(given: Answer, said: HTMLElement): HTMLElement {
  const row = make("div", { class: "row" });
  const take = (text: string): void => {
    open = undefined;
    propose(text, "copilot");
    said.textContent = text;
    row.replaceChildren(make("span", { class: "thanks" }, "Taken over into the report."));
  };
  const use = (): void => {
    events.copilotAnswerUsed({ answer_id: given.id });
    take(given.text);
  };
  const edit = (): void => {
    const text = make("textarea", { "aria-label": "The answer, as you would put it", rows: "7" });
    text.value = given.text;
    said.replaceChildren(text);
    text.focus();
    const save = (): void => {
      const changed_percent = changedPercent(given.text, text.value);
      if (changed_percent === 0) return use();
      events.copilotAnswerEdited({ answer_id: given.id, changed_percent });
      take(text.value);
    };
    const cancel = (): void => {
      said.textContent = given.text;
      row.replaceChildren(...choices);
    };
    row.replaceChildren(button("Save and use", "strong", save), button("Cancel", "", cancel));
  };
  const choices = [button("Use", "strong", use), button("Edit", "", edit), button("Dismiss", "quiet", ignoreAnswer)];
  row.append(...choices);
  return row;
}

const reasons = [
  ["", "no reason"],
  ["helpful", "helpful"],
  ["wrong", "wrong"],
  ["incomplete", "incomplete"],
  ["no_source", "no source"],
  ["too_long", "too long"],
] as const;

function rating(given: Answer): HTMLElement {
  const scores = make("span", { class: "scores", role: "radiogroup", "aria-label": "Rating" });
  let score = 0;
  const rate = button("Rate", "", () => {
    const reason = reasons[select.selectedIndex]?.[0] || undefined;
    events.copilotAnswerRated({ answer_id: given.id, score, reason });
    row.replaceChildren(make("span", { class: "thanks" }, "Thank you for the rating."));
  });
  rate.disabled = true;
  for (let stars = 1; stars <= 5; stars++) {
    const radio = make("input", { type: "radio", name: "score", "aria-label": `${stars} of 5` });
    radio.addEventListener("change", () => {
      score = stars;
      rate.disabled = false;
    });
    scores.append(make("label", {}, radio, make("span", { "aria-hidden": "true" }, "★")));
  }
  const select = make("select", { "aria-label": "Reason" });
  for (const [value, label] of reasons) select.append(make("option", { value }, label));
  const row = make("div", { class: "rating" }, scores, select, rate);
  return row;
}
