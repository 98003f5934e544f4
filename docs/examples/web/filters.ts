// The left pane: which documents of a case are listed.

import type { Case, CaseDocument } from "./cases.js";

export interface Filters {
  text: string;
  /** ISO 8601, without a time; empty: open. */
  since: string;
  until: string;
  readonly custodians: Set<string>;
  readonly types: Set<string>;
  readonly tags: Set<string>;
}

export function noFilters(): Filters {
  return { text: "", since: "", until: "", custodians: new Set(), types: new Set(), tags: new Set() };
}

/** How many are set: a date range is one, so is a search, and each ticked box. */
export function countFilters(filters: Filters): number {
  const boxes = filters.custodians.size + filters.types.size + filters.tags.size;
  return boxes + Number(filters.text !== "") + Number(filters.since !== "" || filters.until !== "");
}

/** The documents that pass: every kind of filter must hold, of ticked boxes of one kind any. */
export function filtered(of: Case, filters: Filters): CaseDocument[] {
  const words = filters.text.toLowerCase().split(/\s+/).filter(Boolean);
  return of.documents.filter((document) => {
    const text = [document.subject, ...document.paragraphs].join(" ").toLowerCase();
    return (
      words.every((word) => text.includes(word)) &&
      (filters.since === "" || document.date >= filters.since) &&
      (filters.until === "" || document.date <= filters.until) &&
      (filters.custodians.size === 0 || filters.custodians.has(document.custodian)) &&
      (filters.types.size === 0 || filters.types.has(document.type)) &&
      (filters.tags.size === 0 || document.tags.some((tag) => filters.tags.has(tag)))
    );
  });
}
