/**
 * Another client, in a process of its own so that the attacker does not slow it down: asks `GET /`
 * again and again and tells, when asked, how long the longest answer took to come.
 */
import { Agent, get } from "node:http";

const PAUSE_MS = 2;

const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const [, , url = ""] = process.argv;
let longestMs = 0;
let askedAtMs = performance.now();
let isWaiting = false;

process.on("message", () => {
  // An answer that has not come yet has taken so long already.
  if (isWaiting) note();
  process.send?.(longestMs);
  longestMs = 0;
});
ask();

function ask(): void {
  askedAtMs = performance.now();
  isWaiting = true;
  get(url, { agent }, (response) => {
    response.resume().on("end", goOn);
  }).on("error", goOn);
}

function goOn(): void {
  note();
  isWaiting = false;
  setTimeout(ask, PAUSE_MS);
}

function note(): void {
  longestMs = Math.max(longestMs, performance.now() - askedAtMs);
}
