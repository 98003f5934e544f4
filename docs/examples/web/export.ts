// The dialog that exports the listed documents of a case.

import { find, sleep } from "./elements.js";
import { events, since } from "./instrument.js";
import { view } from "./view.js";

type Format = "pdf" | "docx" | "load_file" | "native";

const documentMs = 60;

export function connectExport(): void {
  const dialog = find<HTMLDialogElement>("export");
  const form = find<HTMLFormElement>("export-form");
  const start = find<HTMLButtonElement>("export-now");
  const done = find("export-done");
  find("to-export").addEventListener("click", () => {
    const clicked = performance.now();
    find("export-what").textContent = `${view.case.title}, the ${view.listed.length} listed documents.`;
    done.textContent = "";
    dialog.showModal();
    events.pageViewed({ page: "export", case_id: view.case.id, load_time: since(clicked) });
  });
  start.addEventListener("click", async () => {
    const started = performance.now();
    const count = view.listed.length;
    const format = new FormData(form).get("format") as Format;
    start.disabled = true;
    done.textContent = "Exporting…";
    await sleep(documentMs * count);
    events.caseExported({
      case_id: view.case.id,
      format,
      document_count: count,
      took: since(started),
      with_redactions: find<HTMLInputElement>("redacted").checked,
    });
    start.disabled = false;
    done.textContent = `✓ Exported: ${count} documents. No file is made here.`;
  });
}
