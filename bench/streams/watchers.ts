/** Opens streams of events in a process of its own, so that what it costs to read them is not measured. */
import { request, type ClientRequest } from "node:http";

/** What {@link ./../streams.ts} asks for: streams at these URLs in the place of those before. */
type Asked = readonly string[];

let open: ClientRequest[] = [];

process.on("message", (urls: Asked) => {
  for (const each of open) each.destroy();
  open = [];
  void Promise.all(urls.map(watch)).then(() => process.send!("open"));
});

function watch(url: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const asked = request(url, {
    headers: { "x-auth-token": "admin", accept: "text/event-stream" },
    agent: false,
  });
  asked.on("response", (response) => {
    if (response.statusCode !== 200) reject(new Error(`${url}: ${response.statusCode}`));
    response.on("error", () => {});
    // The first part says that it is open.
    response.once("data", () => resolve());
    response.resume();
  });
  asked.on("error", () => {});
  asked.end();
  open.push(asked);
  return promise;
}
