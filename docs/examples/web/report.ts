// Findings: proposed from an answer or a document, accepted into the report of the case.

import { button, find, make } from "./elements.js";
import { events } from "./instrument.js";
import { view } from "./view.js";

type Origin = "copilot" | "search" | "reviewer";

interface Finding {
  readonly text: string;
  readonly origin: Origin;
  isAccepted: boolean;
}

const reports = new Map<string, Finding[]>();

function findings(): Finding[] {
  const of = reports.get(view.case.id) ?? [];
  reports.set(view.case.id, of);
  return of;
}

export function propose(text: string, origin: Origin): void {
  findings().unshift({ text, origin, isAccepted: false });
  showReport();
}

function accept(finding: Finding): void {
  finding.isAccepted = true;
  events.insightAccepted({ case_id: view.case.id, origin: finding.origin });
  showReport();
}

const from: Record<Origin, string> = { copilot: "from the copilot", search: "from a search", reviewer: "from reading" };

export function showReport(): void {
  const all = findings();
  find("finding-count").textContent = all.length === 0 ? "" : `· ${all.length}`;
  const items = all.map((finding) =>
    make(
      "li",
      {},
      make("p", {}, finding.text),
      make(
        "div",
        { class: "row" },
        make("span", {}, from[finding.origin]),
        finding.isAccepted
          ? make("span", { class: "taken" }, "✓ Accepted")
          : button("Accept", "", () => accept(finding)),
      ),
    ),
  );
  const none = make("li", { class: "thanks" }, "No finding yet. Use an answer, or propose a document.");
  find("findings").replaceChildren(...(items.length > 0 ? items : [none]));
}

/** Whoever signs in next begins with empty reports. */
export function forgetReports(): void {
  reports.clear();
}
