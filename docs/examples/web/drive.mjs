// Uses the example application in a real browser, as four people would, one after the other: one of them does not agree
// to be counted, and one closes the window without a word. Prints what that must have caused, as JSON:
//
//     counted   events that must be counted, by name; those sent as a window closes are among them
//     actors    of how many people each of these is
//     refused   events of people who had not agreed, or not yet
//     secrets   what was typed, and by whom: none of it may be found anywhere afterwards
//
//     DAYBOOK_BROWSER=$(tests/setup/browser.sh) node drive.mjs http://127.0.0.1:8420 [--screenshots FOLDER]

import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { parseArgs } from "node:util";

const method = "/daybook.product_analytics.v1.ProductAnalyticsService/RecordEvents";
// Nobody's consent is needed for it, see docs/examples/events/profile.yaml.
const withoutConsent = ["safety.signal_raised"];
const sentWithinMs = 20_000;
const leaveMs = 3_000;

const { values, positionals } = parseArgs({ allowPositionals: true, options: { screenshots: { type: "string" } } });
const [address] = positionals;
const folder = process.env.DAYBOOK_BROWSER;
if (!address || !folder) {
  console.error("usage: DAYBOOK_BROWSER=$(tests/setup/browser.sh) node drive.mjs ADDRESS [--screenshots FOLDER]");
  process.exit(2);
}
if (values.screenshots) mkdirSync(values.screenshots, { recursive: true });

const { chromium } = createRequire(join(folder, "/"))("playwright-core");
const browser = await chromium.launch({ executablePath: join(folder, "chromium") });

/** What must have been caused so far. */
const counted = {};
const actors = {};
const refused = {};
const secrets = [];
/** Events that the node has answered. */
let answered = 0;
/** What the page, or the node, was not content with. */
const problems = [];
let pictures = 0;

/** A window, and the person before it. */
class Person {
  #page;
  #email;
  #agrees = false;

  static async open(options = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    context.on("response", (response) => {
      const request = response.request();
      if (request.method() !== "POST" || !request.url().endsWith(method)) return;
      if (response.status() !== 200) problems.push(`the node answered ${response.status()}`);
      answered += request.postDataJSON().events.length;
    });
    const person = new Person();
    person.#page = await context.newPage();
    person.#page.setDefaultTimeout(15_000);
    person.#page.on("pageerror", (error) => problems.push(error.stack));
    person.#page.on("console", (message) => {
      if (["warning", "error"].includes(message.type())) problems.push(`the page says: ${message.text()}`);
    });
    await person.#page.goto(address);
    return person;
  }

  #caused(name) {
    if (!this.#agrees && !withoutConsent.includes(name)) {
      refused[name] = (refused[name] ?? 0) + 1;
      return;
    }
    counted[name] = (counted[name] ?? 0) + 1;
    (actors[name] ??= new Set()).add(this.#email);
  }

  #button(name, within = this.#page) {
    return within.getByRole("button", { name, exact: true });
  }

  #pane(name) {
    return this.#page.getByLabel(name, { exact: true }).and(this.#page.locator(".pane"));
  }

  async picture(name) {
    if (!values.screenshots) return;
    pictures += 1;
    const path = join(values.screenshots, `${String(pictures).padStart(2, "0")}-${name}.png`);
    await this.#page.screenshot({ path });
  }

  async signIn(email) {
    this.#email = email;
    // Whoever used the window before does not speak for this person.
    this.#agrees = false;
    secrets.push(email);
    await this.#page.getByLabel("E-mail address").fill(email);
    await this.#button("Sign in").click();
    await this.#page.getByRole("heading", { name: "Cases" }).waitFor();
    this.#caused("page.viewed");
  }

  async consent(agrees) {
    await this.#button(agrees ? "Yes, I help" : "No, thank you").click();
    this.#agrees = agrees;
  }

  async openCase(title) {
    await this.#button(new RegExp(`^${title}`)).click();
    await this.#pane("Documents").waitFor();
    this.#caused("page.viewed");
  }

  async tick(value) {
    await this.#pane("Filters").getByRole("checkbox", { name: value, exact: true }).click();
    this.#caused("filters.applied");
  }

  async range(since) {
    await this.#pane("Filters").getByLabel("From").fill(since);
    this.#caused("filters.applied");
  }

  async search(text) {
    secrets.push(text);
    // The key that leads there, so that it is tried.
    await this.#page.keyboard.press("/");
    await this.#page.keyboard.type(text, { delay: 10 });
    await this.#page.keyboard.press("Enter");
    this.#caused("filters.applied");
  }

  /** Taking the last filter away is no event. */
  async clearFilters() {
    await this.#button("Clear all filters").click();
  }

  async read(subject) {
    await this.#pane("Documents").getByRole("button", { name: subject }).click();
    await this.#pane("Document").getByRole("heading", { name: subject }).waitFor();
    this.#caused("page.viewed");
  }

  /** The next document, by keyboard. */
  async readNext() {
    await this.#page.keyboard.press("ArrowDown");
    await this.#page.keyboard.press("Enter");
    this.#caused("page.viewed");
  }

  async comment(text) {
    secrets.push(text);
    await this.#page.getByLabel("Comment", { exact: true }).fill(text);
    await this.#button("Add comment").click();
    await this.#page.getByText(text).waitFor();
  }

  async ask(task, question = "") {
    const copilot = this.#pane("Copilot");
    await copilot.getByRole("radio", { name: task }).check();
    if (question) {
      secrets.push(question);
      await copilot.getByLabel("Your question").fill(question);
    }
    await this.#button("Ask", copilot).click();
    await this.#button("Use", copilot).waitFor();
    this.#caused("copilot.answer_shown");
    if (await copilot.getByText("No source.").isVisible()) this.#caused("safety.signal_raised");
  }

  async use() {
    await this.#button("Use").click();
    this.#caused("copilot.answer_used");
  }

  async edit(addition) {
    secrets.push(addition);
    await this.#button("Edit").click();
    await this.#page.keyboard.press("Control+End");
    await this.#page.keyboard.type(` ${addition}`);
    await this.#button("Save and use").click();
    this.#caused("copilot.answer_edited");
  }

  async dismiss() {
    await this.#button("Dismiss").click();
    this.#caused("copilot.answer_ignored");
  }

  async rate(score, reason) {
    const copilot = this.#pane("Copilot");
    await copilot.getByRole("radio", { name: `${score} of 5` }).check();
    await copilot.getByLabel("Reason").selectOption(reason);
    await this.#button("Rate", copilot).click();
    await copilot.getByText("Thank you for the rating.").waitFor();
    this.#caused("copilot.answer_rated");
  }

  async proposeDocument() {
    await this.#button("Propose as a finding").click();
  }

  async accept() {
    await this.#button("Accept").first().click();
    this.#caused("insight.accepted");
  }

  async export(format, { redacted = false } = {}) {
    await this.#button("Export…").click();
    const dialog = this.#page.getByRole("dialog");
    await dialog.waitFor();
    this.#caused("page.viewed");
    await dialog.getByLabel(format).check();
    if (redacted) await dialog.getByLabel("With redactions").check();
    await this.#button("Export", dialog).click();
    await dialog.getByText("✓ Exported").waitFor();
    this.#caused("case.exported");
    await this.picture("export");
    await this.#button("Close", dialog).click();
  }

  async signOut() {
    await this.#button("Sign out").click();
    await this.#page.getByLabel("E-mail address").waitFor();
  }

  /** Closes the window, as by its cross, with an answer on the screen that nobody will use. */
  async leave() {
    this.#caused("copilot.answer_ignored");
    await this.#page.close({ runBeforeUnload: true });
    // Nobody hears the answer to what a page sends on its way out, only that it went: give the browser time for it.
    await new Promise((resolve) => setTimeout(resolve, leaveMs));
  }
}

const sum = (of) => Object.values(of).reduce((total, count) => total + count, 0);

/** Waits until the node has answered for everything that was caused so far, and for nothing else. */
async function sent() {
  const expected = sum(counted) + sum(refused);
  for (const started = Date.now(); answered < expected && Date.now() - started < sentWithinMs; ) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  if (problems.length > 0) throw new Error(problems.join("\n"));
  if (answered !== expected) throw new Error(`${expected} events were caused, the node has answered for ${answered}`);
}

/** Somebody who agrees and does everything. */
async function thorough(person) {
  await person.picture("sign-in");
  await person.signIn("Anna.Lindqvist@example.org");
  await person.picture("consent");
  await person.consent(true);
  await person.openCase("Harbour crane");
  await person.tick("email");
  await person.tick("memo");
  await person.tick("key");
  await person.search("counterweight plates");
  await person.read("Missing counterweight plates");
  await person.comment("Ask at the gate whether anybody saw that lorry.");
  await person.ask("Question", "Were the counterweight plates ever delivered to the quay?");
  await person.picture("answer");
  await person.use();
  await person.rate(5, "helpful");
  await person.accept();
  await person.export("PDF", { redacted: true });
  await person.clearFilters();
  await person.read("Delivery note, jib");
  await person.readNext();
  await person.proposeDocument();
  await person.accept();
  await person.signOut();
}

/** Somebody who agrees and trusts nothing. */
async function doubtful(person) {
  await person.signIn("tomas.okafor@example.org");
  await person.consent(true);
  await person.openCase("Meridian invoices");
  await person.range("2024-11-15");
  await person.tick("Accounts payable");
  await person.ask("Question", "Did Zephyrine take the ferry?");
  await person.picture("no-source");
  await person.rate(1, "no_source");
  await person.dismiss();
  await person.clearFilters();
  await person.ask("Timeline");
  await person.edit("Nobody ordered invoice eighteen, as far as we know.");
  await person.accept();
  await person.picture("edited");
  await person.export("Load file");
  await person.signOut();
}

/** Somebody who does not agree. Everything works, and nothing is left of it. */
async function unwilling(person) {
  await person.signIn("mireille.dubois@example.com");
  await person.consent(false);
  await person.openCase("Quarry survey");
  await person.tick("Ines Halloran");
  await person.search("south gate");
  await person.read("Who opens the south gate");
  await person.comment("My cousin drives one of those lorries.");
  await person.ask("Summary");
  await person.use();
  await person.rate(4, "helpful");
  await person.accept();
  await person.ask("Question", "Which gate is open at night?");
  await person.dismiss();
  await person.export("Word");
  await person.picture("refused");
  await person.signOut();
}

/** Somebody who agrees, asks, and closes the window while the answer is still on the screen. */
async function hurried(person) {
  await person.signIn("jonas.weber@example.net");
  await person.consent(true);
  await person.openCase("Harbour crane");
  await person.read("Surveyor's letter");
  await sent();
  await person.ask("Summary");
  await person.picture("dark");
  await person.leave();
}

try {
  // The first three use the same window, one after the other, as on a shared computer.
  const shared = await Person.open();
  for (const visit of [thorough, doubtful, unwilling]) {
    await visit(shared);
    await sent();
  }
  await hurried(await Person.open({ colorScheme: "dark" }));
} finally {
  await browser.close();
}

const people = Object.fromEntries(Object.entries(actors).map(([name, of]) => [name, of.size]));
console.log(JSON.stringify({ counted, actors: people, refused, secrets }, undefined, 2));
