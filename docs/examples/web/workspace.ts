// The three panes: filters, list, document.

import type { Case, CaseDocument } from "./cases.js";
import { connectCopilot } from "./copilot.js";
import { button, find, make, marked, shownDate } from "./elements.js";
import { connectExport } from "./export.js";
import { countFilters, filtered, noFilters } from "./filters.js";
import { events, since } from "./instrument.js";
import { propose, showReport } from "./report.js";
import { view } from "./view.js";

type Kind = "date_range" | "custodian" | "file_type" | "tag" | "full_text";

const search = find<HTMLInputElement>("search");
const from = find<HTMLInputElement>("since");
const until = find<HTMLInputElement>("until");
/** Comments by document, as long as somebody is signed in. They stay in the page. */
const comments = new Map<string, string[]>();

export function connectWorkspace(): void {
  find("search-form").addEventListener("submit", (event) => {
    event.preventDefault();
    view.filters.text = search.value.trim();
    apply("full_text");
  });
  // The cross in the box empties it without a submission.
  search.addEventListener("input", () => {
    if (search.value !== "" || view.filters.text === "") return;
    view.filters.text = "";
    apply("full_text");
  });
  for (const input of [from, until]) {
    input.addEventListener("change", () => {
      view.filters.since = from.value;
      view.filters.until = until.value;
      apply("date_range");
    });
  }
  find("clear").addEventListener("click", () => {
    clearFilters();
    showList();
  });
  find("documents").addEventListener("keydown", moveInList);
  addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    const isTyping = target.matches("input:not([type=checkbox], [type=radio]), textarea, select");
    if (event.key !== "/" || isTyping || find("workspace").hidden) return;
    event.preventDefault();
    search.focus();
  });
  connectCopilot(openDocument);
  connectExport();
}

export function openCase(of: Case): void {
  const clicked = performance.now();
  view.case = of;
  view.open = undefined;
  clearFilters();
  showList();
  showDocument();
  showReport();
  // So that arrow keys go through the list at once.
  find("documents").querySelector("button")?.focus();
  events.pageViewed({ page: "case", case_id: of.id, load_time: since(clicked) });
}

/** Nothing of one person is there for the next. */
export function forgetComments(): void {
  comments.clear();
}

function clearFilters(): void {
  view.filters = noFilters();
  for (const input of [search, from, until]) input.value = "";
  showFacets();
}

/** The list is loaded anew because a filter was changed. */
function apply(kind: Kind): void {
  const changed = performance.now();
  showList();
  const filter_count = countFilters(view.filters);
  // The last filter was taken away: nothing was applied.
  if (filter_count === 0) return;
  events.filtersApplied({
    pane: "filters",
    kind,
    filter_count,
    result_count: view.listed.length,
    load_time: since(changed),
  });
}

function showFacets(): void {
  const { documents } = view.case;
  find("facets").replaceChildren(
    facet("Custodian", "custodian", documents.map(({ custodian }) => custodian), view.filters.custodians),
    facet("File type", "file_type", documents.map(({ type }) => type), view.filters.types),
    facet("Tag", "tag", documents.flatMap(({ tags }) => tags), view.filters.tags),
  );
}

function facet(title: string, kind: Kind, values: readonly string[], chosen: Set<string>): HTMLElement {
  const boxes = [...new Set(values)].sort().map((value) => {
    const box = make("input", { type: "checkbox" });
    box.addEventListener("change", () => {
      if (box.checked) chosen.add(value);
      else chosen.delete(value);
      apply(kind);
    });
    const count = String(values.filter((other) => other === value).length);
    // What the box is called does not change with its count.
    const shown = make("small", { "aria-hidden": "true" }, count);
    return make("label", { class: "box" }, box, make("span", {}, value), shown);
  });
  return make("fieldset", {}, make("legend", {}, title), ...boxes);
}

function showList(): void {
  view.listed = filtered(view.case, view.filters);
  const all = view.case.documents.length;
  const count = view.listed.length;
  find("count").textContent = count === all ? `${all} documents` : `${count} of ${all} documents`;
  find<HTMLButtonElement>("to-export").disabled = count === 0;
  find<HTMLButtonElement>("clear").disabled = countFilters(view.filters) === 0;
  const items = view.listed.map((document) => {
    const item = button("", "", () => openDocument(document));
    item.append(
      make("strong", {}, ...marked(document.subject, words())),
      make(
        "span",
        { class: "meta" },
        make("span", {}, `${document.custodian} · ${document.type}`),
        make("span", {}, shownDate(document.date)),
      ),
    );
    item.dataset["id"] = document.id;
    item.setAttribute("aria-current", String(document === view.open));
    return make("li", {}, item);
  });
  const none = make("li", { class: "none" }, "No document passes these filters.");
  find("documents").replaceChildren(...(items.length > 0 ? items : [none]));
}

/** Arrow keys go from document to document. */
function moveInList(event: KeyboardEvent): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  const items = [...find("documents").querySelectorAll("button")];
  items[items.indexOf(document.activeElement as HTMLButtonElement) + step]?.focus();
}

function words(): string[] {
  return view.filters.text.split(/\s+/).filter(Boolean);
}

function openDocument(of: CaseDocument): void {
  const clicked = performance.now();
  view.open = of;
  for (const item of find("documents").querySelectorAll("button")) {
    item.setAttribute("aria-current", String(item.dataset["id"] === of.id));
  }
  showDocument();
  events.pageViewed({ page: "document", case_id: view.case.id, load_time: since(clicked) });
}

function showDocument(): void {
  const pane = find("document");
  const { open } = view;
  if (!open) {
    pane.replaceChildren(make("p", { class: "none" }, "Choose a document to read it here."));
    return;
  }
  const proposeIt = button("Propose as a finding", "", () => {
    propose(open.subject, view.filters.text === "" ? "reviewer" : "search");
    proposeIt.disabled = true;
    proposeIt.textContent = "Proposed";
  });
  pane.scrollTop = 0;
  pane.replaceChildren(
    make("p", { class: "eyebrow" }, open.type),
    make("h2", {}, ...marked(open.subject, words())),
    make(
      "div",
      { class: "meta" },
      make("span", {}, open.custodian),
      make("time", { datetime: open.date }, shownDate(open.date)),
      ...open.tags.map((tag) => make("span", { class: "tag" }, tag)),
    ),
    make("div", { class: "body" }, ...open.paragraphs.map((paragraph) => make("p", {}, ...marked(paragraph, words())))),
    make("div", { class: "actions" }, proposeIt),
    commentsOf(open),
  );
}

function commentsOf(of: CaseDocument): HTMLElement {
  const text = make("textarea", { rows: "2", placeholder: "For your colleagues", "aria-label": "Comment" });
  const form = make("form", {}, text, make("button", { type: "submit" }, "Add comment"));
  const written = (comments.get(of.id) ?? []).map((comment) => make("p", { class: "comment" }, comment));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const comment = text.value.trim();
    if (comment === "") return;
    comments.set(of.id, [...(comments.get(of.id) ?? []), comment]);
    showDocument();
  });
  return make("section", { "aria-label": "Comments" }, make("h3", {}, "Comments"), ...written, form);
}
