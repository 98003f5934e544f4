// Serves the example application on this machine only, and tells its page where events go.
//
//     DAYBOOK_TOKEN=... node serve.mjs
//
// PORT           where to listen; 0: anywhere. 8420 if left out. The address is printed when it listens.
// DAYBOOK_URL    the Daybook node. http://127.0.0.1:7420 if left out.
// DAYBOOK_TOKEN  the token of this program, with the role `service`. Whoever opens the page can read it: a program for
//                other people than yourself gives out tokens that are good for minutes.
// DAYBOOK_TENANT the tenant; left out: the token's only one.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";

const { PORT = "8420", DAYBOOK_URL = "http://127.0.0.1:7420", DAYBOOK_TOKEN, DAYBOOK_TENANT = "" } = process.env;
if (!DAYBOOK_TOKEN) {
  console.error("DAYBOOK_TOKEN is not set; set it to the output of: daybook --as web --role service token --service");
  process.exit(1);
}

const settings = JSON.stringify({ url: DAYBOOK_URL, token: DAYBOOK_TOKEN, tenant: DAYBOOK_TENANT });
const types = {
  css: "text/css",
  html: "text/html",
  js: "text/javascript",
  json: "application/json",
  txt: "text/plain",
};
const headers = {
  "Cache-Control": "no-store",
  "Content-Security-Policy": `default-src 'self'; img-src data:; connect-src 'self' ${new URL(DAYBOOK_URL).origin}`,
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};

const server = createServer(async (request, response) => {
  const answer = (status, type, body) => {
    response.writeHead(status, { ...headers, "Content-Type": `${types[type]}; charset=utf-8` });
    response.end(request.method === "HEAD" ? undefined : body);
  };
  const refuse = (status, text) => answer(status, "txt", `${text}\n`);
  // A page of another name that was made to lead here must not read the token.
  if (!["127.0.0.1", "localhost"].includes(request.headers.host?.replace(/:\d+$/, ""))) {
    return refuse(421, "this is a server for pages of 127.0.0.1 and localhost");
  }
  if (!["GET", "HEAD"].includes(request.method)) return refuse(405, "only GET and HEAD are answered here");
  const path = request.url.split("?")[0];
  if (path === "/settings.json") return answer(200, "json", settings);
  const [name, ending] = (path === "/" ? "/index.html" : path).match(/^\/[a-z]+\.(html|css|js)$/) ?? [];
  if (!name) return refuse(404, "there is no such page");
  try {
    const file = new URL(ending === "js" ? `built${name}` : `.${name}`, import.meta.url);
    answer(200, ending, await readFile(fileURLToPath(file)));
  } catch {
    refuse(404, ending === "js" ? "there is no such file; is the application compiled?" : "there is no such page");
  }
});

server.listen(Number(PORT), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    server.close();
    server.closeAllConnections?.();
  });
}
