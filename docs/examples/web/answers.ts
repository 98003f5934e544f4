// What the copilot says. No model is asked: it quotes the sentences that share most words with the question.

import type { CaseDocument } from "./cases.js";

export type Task = "question" | "summary" | "timeline";

export interface Answer {
  /** Names the answer in events. */
  readonly id: string;
  readonly task: Task;
  readonly model: "small" | "large";
  readonly text: string;
  /** Documents that are quoted, in the order of their numbers in the text. */
  readonly sources: readonly CaseDocument[];
  readonly costCents: number;
}

const sourcesMax = 3;

interface Quote {
  readonly document: CaseDocument;
  readonly text: string;
}

function words(text: string): Set<string> {
  return new Set(text.toLowerCase().match(/\p{Letter}{4,}/gu) ?? []);
}

function sentences(document: CaseDocument): string[] {
  return document.paragraphs.flatMap((paragraph) => paragraph.split(/(?<=[.?!])\s+/));
}

/** The sentence of a document that shares most words with a question, and how many. */
function best(document: CaseDocument, asked: Set<string>): Quote & { readonly shared: number } {
  const judged = sentences(document).map((text) => {
    const shared = [...words(text)].filter((word) => asked.has(word)).length;
    return { document, text, shared };
  });
  return judged.reduce((one, other) => (other.shared > one.shared ? other : one));
}

function quoted(
  quotes: readonly Quote[],
  line: (text: string, of: CaseDocument) => string,
): { text: string; sources: CaseDocument[] } {
  return {
    text: quotes.map(({ document, text }, at) => `${line(text, document)} [${at + 1}]`).join("\n"),
    sources: quotes.map(({ document }) => document),
  };
}

export function answer(task: Task, question: string, documents: readonly CaseDocument[]): Answer {
  const id = crypto.randomUUID();
  const inTime = [...documents].sort((one, other) => one.date.localeCompare(other.date));
  const first = inTime.map((document) => ({ document, text: sentences(document)[0] ?? "" }));
  if (task === "timeline") {
    const { text, sources } = quoted(first, (text, of) => `${of.date}: ${text}`);
    return { id, task, model: "large", text: text || "No document is listed.", sources, costCents: 4 };
  }
  if (task === "summary") {
    const key = first.filter(({ document }) => document.tags.includes("key"));
    const { text, sources } = quoted((key.length > 0 ? key : first).slice(-sourcesMax), (text) => text);
    return { id, task, model: "large", text: text || "No document is listed.", sources, costCents: 3 };
  }
  const asked = words(question);
  const found = documents.map((document) => best(document, asked)).filter(({ shared }) => shared > 0);
  found.sort((one, other) => other.shared - one.shared);
  const { text, sources } = quoted(found.slice(0, sourcesMax), (text) => text);
  return {
    id,
    task,
    model: "small",
    text: text || "Probably not, but none of the listed documents says anything about it.",
    sources,
    costCents: 1,
  };
}

/** Share of the words that changed, in per cent: 0 if none did. */
export function changedPercent(before: string, after: string): number {
  const [one, other] = [before, after].map((text) => text.split(/\s+/).filter(Boolean)) as [string[], string[]];
  const left = [...one];
  let kept = 0;
  for (const word of other) {
    const at = left.indexOf(word);
    if (at < 0) continue;
    left.splice(at, 1);
    kept += 1;
  }
  const most = Math.max(one.length, other.length);
  return most === 0 ? 0 : Math.round((100 * (most - kept)) / most);
}
