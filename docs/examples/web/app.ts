// Who is signed in, what they agreed to, and which page is shown.

import { cases } from "./cases.js";
import { ignoreAnswer } from "./copilot.js";
import { button, find, make } from "./elements.js";
import { actsNow, events, since } from "./instrument.js";
import { forgetReports } from "./report.js";
import { connectWorkspace, forgetComments, openCase } from "./workspace.js";

const email = find<HTMLInputElement>("email");
let person = "";

function show(page: "sign-in" | "cases" | "workspace", title: string): void {
  for (const id of ["sign-in", "cases", "workspace"]) find(id).hidden = id !== page;
  find("bar").hidden = page === "sign-in";
  find("crumb").textContent = title;
  find("crumb").hidden = title === "";
  document.title = title ? `${title} · Casework` : "Casework";
}

function showCases(): void {
  const clicked = performance.now();
  show("cases", "");
  find("case-list").querySelector("button")?.focus();
  events.pageViewed({ page: "case_list", load_time: since(clicked) });
}

find("case-list").append(
  ...cases.map((of) => {
    const item = button("", "", () => {
      show("workspace", of.title);
      openCase(of);
    });
    item.append(
      make("strong", {}, of.title),
      make("span", { class: "about" }, of.summary),
      make("span", { class: "size" }, `${of.documents.length} documents`),
    );
    return make("li", {}, item);
  }),
);

find("sign-in-form").addEventListener("submit", (event) => {
  event.preventDefault();
  person = email.value.trim();
  find("who").textContent = person;
  // Until the question is answered, the answer is no.
  actsNow(person, false);
  find("consent").hidden = false;
  showCases();
});

for (const [id, agreed] of [["consent-yes", true], ["consent-no", false]] as const) {
  find(id).addEventListener("click", () => {
    actsNow(person, agreed);
    find("consent").hidden = true;
  });
}

// What was answered can be changed at any time.
find("to-consent").addEventListener("click", () => {
  find("consent").hidden = false;
});

find("to-cases").addEventListener("click", () => {
  ignoreAnswer();
  showCases();
});

find("sign-out").addEventListener("click", () => {
  ignoreAnswer();
  forgetReports();
  forgetComments();
  actsNow("", false);
  person = "";
  for (const form of document.forms) form.reset();
  find("consent").hidden = true;
  show("sign-in", "");
  email.focus();
});

connectWorkspace();
