// A burst: release the seat, send the buyers of both Regions at once, and compare answers with the ledger.

import { call, Failure, setRegion } from "./api.js";

const AHEAD = 0.4; // seconds
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));

function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] : null;
}

// Calls the URLs one after the other until one answers.
async function first(urls, path, body) {
  let failure;
  for (const url of urls) {
    try {
      return await call(url, path, body);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

export async function burst(regions, chosen, backend, buyers, stop) {
  const order = [...regions].sort((a, b) => (b.region === chosen) - (a.region === chosen));
  const urls = order.map((each) => each.url);
  const { round } = await first(urls, "/api/reset", { backend, seats: ["A1"] });
  const names = Array.from({ length: buyers }, (_, index) => `buyer ${index + 1}`);
  const start = Date.now() / 1000 + AHEAD;
  const sent = regions.map(async ({ region, url }, index) => {
    const own = names.filter((_, number) => number % regions.length === index);
    try {
      return await call(url, "/api/break-it", { backend, seats: ["A1"], round, buyers: own, start });
    } catch (error) {
      if (!(error instanceof Failure) || error.status === 429) throw error;
      const failed = { seat: "A1", id: "", outcome: "failed", attempts: 0, conflicts: 0, error: error.message, steps: [] };
      return { region, start, buyers: own.map((buyer) => ({ buyer, ...failed })) };
    }
  });
  if (stop) {
    await sleep((start - Date.now() / 1000) * 1000 + 10);
    await setRegion(stop, true);
  }
  const reports = await Promise.all(sent);
  return { reports, round, ...summary(reports) };
}

function summary(reports) {
  const all = reports.flatMap((report) => report.buyers);
  const commits = all.flatMap((buyer) => buyer.steps.filter((step) => step.kind === "commit" || step.kind === "conflict"));
  const times = commits.map((step) => step.end - step.start);
  return {
    buyers: all.length,
    told: all.filter((buyer) => buyer.outcome === "sold").length,
    failed: all.filter((buyer) => buyer.outcome === "failed" || buyer.outcome === "unknown").length,
    conflicts: all.reduce((sum, buyer) => sum + buyer.conflicts, 0),
    retries: all.reduce((sum, buyer) => sum + Math.max(0, buyer.attempts - 1), 0),
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
  };
}

// Returns how many buyers were told "sold" and have no row in the ledger of any Region that answers.
export async function lost(regions, backend, { reports, round }) {
  const known = new Set();
  for (const { url } of regions) {
    try {
      for (const row of (await call(url, `/api/evidence?backend=${backend}&round=${round}`)).rows) known.add(row.id);
    } catch (error) {
      if (!(error instanceof Failure)) throw error; // a stopped Region is no evidence
    }
  }
  return reports.flatMap((report) => report.buyers).filter((buyer) => buyer.outcome === "sold" && !known.has(buyer.id)).length;
}
