// The one place that knows where events go, who acts, and what they have agreed to.

import { DaybookEvents } from "./events.js";

interface Settings {
  readonly url: string;
  /** Of this program, never of a person: who sends stands on the log beside what was sent. */
  readonly token: string;
  readonly tenant: string;
}

const settings = (await (await fetch("settings.json")).json()) as Settings;

export const events = new DaybookEvents({
  url: settings.url,
  token: settings.token,
  tenantId: settings.tenant || undefined,
  onError: (text) => console.warn(`events: ${text}`),
});

/** From now on this person acts, and has agreed or not; empty: nobody. */
export function actsNow(email: string, agreed: boolean): void {
  events.setContext({ actor: email || undefined, consents: agreed ? ["product_improvement"] : [] });
}

/** Milliseconds since a time of `performance.now()`: whole, and bounded, as a computer may have slept meanwhile. */
export function since(start: number, most = 120_000): number {
  return Math.min(Math.round(performance.now() - start), most);
}
