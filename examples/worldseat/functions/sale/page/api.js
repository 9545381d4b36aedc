// Requests to the functions of both Regions, and to the switch of a local run.

export const BACKENDS = [
  ["dsql", "Aurora DSQL"],
  ["atomic", "AtomicTable"],
  ["replicated", "Replicated table"],
  ["replicated-atomic", "Replicated, with transactions"],
];

export class Failure extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

// Returns the JSON of an answer; a Failure says which request failed, why, and what to do.
export async function call(url, path, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
  };
  let response, content;
  try {
    response = await fetch(url + path, { ...options, signal: AbortSignal.timeout(150000) });
    content = await response.json();
  } catch {
    throw new Failure(`${url || location.origin} does not answer. Check that the app is running, or use the other Region.`);
  }
  if (!response.ok && content.outcome === undefined) throw new Failure(content.error, response.status);
  return content;
}

// The switch of `make worldseat`; its URL is in the fragment of the page's URL, which is not sent to any server.
export const switchUrl = (() => {
  const given = new URLSearchParams(location.hash.slice(1)).get("switch");
  return given?.startsWith("http://127.0.0.1:") ? given : null;
})();

export const setRegion = (region, stopped) => call(switchUrl, "", { region, stopped });
