// What is on the screen, known to all panes.

import type { Case, CaseDocument } from "./cases.js";
import { cases } from "./cases.js";
import { noFilters } from "./filters.js";

export const view = {
  case: cases[0] as Case,
  filters: noFilters(),
  /** The documents that pass the filters. */
  listed: [] as readonly CaseDocument[],
  open: undefined as CaseDocument | undefined,
};
