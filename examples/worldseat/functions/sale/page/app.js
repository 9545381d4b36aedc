// WorldSeat: wires the page to the functions. No framework, no build step.

import { BACKENDS, call, Failure, setRegion, switchUrl } from "./api.js";
import { burst, lost } from "./burst.js";
import { Plan } from "./seats.js";
import { draw, list } from "./timeline.js";

const $ = (id) => document.getElementById(id);
const numbers = new Intl.NumberFormat("en");
const POLL = 1000, SLOWEST = 15000;

const state = { region: "", regions: JSON.parse(localStorage.getItem("regions")) ?? [{ region: "", url: "" }], backend: "dsql", track: "dsql", busy: false, stopped: new Set(), bursts: new Map(), boards: {}, at: 0, asked: 0, shown: 0 };
const plan = new Plan($("plan"), buy);

const here = () => state.regions.find((each) => each.region === state.region)?.url ?? state.regions[0].url;
const say = (text) => { $("status").textContent = text; };

function fail(error) {
  $("error").hidden = !error;
  $("error").textContent = error ? error.message : "";
  if (error && !(error instanceof Failure)) console.error(error);
}

function choice(fieldset, name, options, chosen, change) {
  for (const [value, text] of options) {
    const label = document.createElement("label");
    const input = Object.assign(document.createElement("input"), { type: "radio", name, value, checked: value === chosen });
    input.addEventListener("change", () => change(value));
    label.append(input, text);
    fieldset.append(label);
  }
}

function showRegions() {
  for (const { region } of state.regions) {
    if (!region || $(`region-${region}`)) continue;
    const box = Object.assign(document.createElement("div"), { className: "region", id: `region-${region}` });
    $("regions").append(box);
    choice(box, "region", [[region, region]], state.region, (value) => { state.region = value; say(`You buy from ${value}.`); poll(); });
    box.append(Object.assign(document.createElement("small"), { textContent: "…" }));
    if (switchUrl) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Stop", ariaLabel: `Stop ${region}` });
      button.addEventListener("click", () => toggle(region, !state.stopped.has(region)));
      box.append(button);
    }
  }
}

async function toggle(region, stopped) {
  try {
    const found = await setRegion(region, stopped);
    state.stopped = new Set(found.stopped);
    say(stopped ? `${region} is stopped: its endpoints refuse connections.` : `${region} is back.`);
  } catch (error) {
    fail(error);
  }
  await watch();
}

// The switch knows the Regions, and which are stopped, also while no database answers.
async function askSwitch() {
  try {
    const { regions, stopped } = await call(switchUrl, "");
    state.stopped = new Set(stopped);
    if (!state.region) state.region = (regions.find((each) => each.url === location.origin) ?? regions[0]).region;
    state.regions = regions;
    showRegions();
  } catch (error) {
    fail(error);
  }
}

// Shows for each Region whether its database answers, and whether both have the same ledger; returns whether one does.
async function watch() {
  if (switchUrl) await askSwitch();
  const found = await Promise.all(state.regions.map(async ({ region, url }) => {
    try {
      return [region, await call(url, "/api/regions")];
    } catch (error) {
      return [region, error];
    }
  }));
  const answers = found.filter(([, each]) => each.ledger);
  if (answers.length) {
    const [, one] = answers[0];
    if (!state.region) state.region = one.region;
    state.regions = one.regions;
    localStorage.setItem("regions", JSON.stringify(one.regions)); // for a visit while the Region of this page is down
    showRegions();
  }
  const digests = new Set(answers.map(([, each]) => each.ledger.digest));
  for (const [region, each] of found) {
    const box = $(`region-${region || each.region}`);
    if (!box) continue;
    const up = Boolean(each.ledger);
    box.classList.toggle("down", !up);
    box.querySelector("small").textContent = up ? `${numbers.format(each.ledger.rows)} rows${answers.length > 1 ? (digests.size === 1 ? ", agrees" : ", catching up") : ""}` : "does not answer";
    const button = box.querySelector("button");
    if (button) {
      button.textContent = state.stopped.has(region || each.region) ? "Start" : "Stop";
      button.ariaLabel = `${button.textContent} ${region || each.region}`;
    }
  }
  return answers.length > 0;
}

function cell(row, column, value, tone = "") {
  const td = document.querySelector(`#score [data-row=${row}]`).cells[column + 1];
  td.textContent = value === null || value === undefined ? "–" : typeof value === "number" ? numbers.format(Math.round(value * 10) / 10) : value;
  td.className = tone;
}

function showBoards() {
  BACKENDS.forEach(([name], column) => {
    const board = state.boards[name];
    if (!board) return;
    const ok = board.seats !== undefined;
    cell("sold", column, ok ? board.sold : "down");
    cell("oversold", column, ok ? board.oversold : "down", ok ? (board.oversold ? "bad" : "good") : "");
    cell("disagree", column, ok ? board.disagree.length : "down", ok && board.disagree.length ? "bad" : "");
  });
  const shown = state.boards[state.backend];
  if (shown?.seats) plan.show(shown);
  $("shown").textContent = BACKENDS.find(([name]) => name === state.backend)[1];
}

async function poll() {
  const number = ++state.asked;
  const found = await call(here(), "/api/seats");
  if (number < state.shown) return; // a later request was answered earlier
  state.shown = number;
  state.boards = found.backends;
  state.at = Date.now();
  showBoards();
  const error = Object.values(found.backends).find((each) => each.error);
  fail(error && !state.busy ? new Failure(`${found.region}: ${error.error}. Choose the other Region, or start this one.`) : null);
}

// Polls once a second; slower after errors; not at all while the page is hidden.
async function live() {
  let wait = POLL, round = 0;
  for (;;) {
    if (!document.hidden) {
      try {
        await poll();
        if (round++ % 3 === 0) await watch();
        wait = POLL;
      } catch (error) {
        fail(error);
        wait = Math.min(wait * 2, SLOWEST);
      }
      const age = Math.round((Date.now() - state.at) / 1000);
      document.body.classList.toggle("stale", state.at > 0 && age > 5);
      $("age").textContent = state.at ? `Read from ${state.region} ${age > 5 ? `${age} s ago` : "just now"}.` : "No data yet.";
    }
    await new Promise((resolve) => setTimeout(resolve, wait * (0.9 + Math.random() / 5)));
  }
}

async function buy(button) {
  if (button.ariaBusy === "true") return;
  button.ariaBusy = "true";
  say(`Buying ${button.id} from ${state.region}…`);
  try {
    const found = await call(here(), "/api/buy", { backend: state.backend, seat: button.id, buyer: `you in ${state.region}` });
    const texts = { sold: `is yours, on attempt ${found.attempts}`, taken: "is sold already; choose another seat" };
    say(`Seat ${button.id} ${texts[found.outcome] ?? `was not sold: ${found.error ?? found.outcome}; try again`}.`);
  } catch (error) {
    say(`Seat ${button.id} was not sold.`);
    fail(error);
    return;
  } finally {
    button.ariaBusy = "false"; // the seat can be chosen again while the board is read
  }
  await poll().catch(fail);
}

function busy(is) {
  state.busy = is;
  for (const button of document.querySelectorAll("#sizes button")) button.disabled = is;
}

async function runBursts(buyers) {
  busy(true);
  fail(null);
  const other = state.regions.find((each) => each.region !== state.region)?.region;
  const stop = switchUrl && $("stop").checked ? other : null;
  const failures = [];
  try {
    for (const [name, text] of BACKENDS) {
      say(`${buyers} buyers on ${text}…`);
      const column = BACKENDS.findIndex(([each]) => each === name);
      let found = {};
      try {
        found = await burst(state.regions, state.region, name, buyers, stop);
        if (stop) await toggle(stop, false);
        found.lost = await lost(state.regions, name, found);
        state.bursts.set(name, found);
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        failures.push(`${text}: ${error.message}`);
      }
      for (const row of ["buyers", "told", "lost", "failed", "conflicts", "retries", "p50", "p99"]) cell(row, column, found[row], row === "lost" && found.lost ? "bad" : "");
      showTrack();
      await poll();
    }
    await new Promise((resolve) => setTimeout(resolve, 800)); // replication
    await poll();
    const over = BACKENDS.map(([name, text]) => `${text} ${state.boards[name].oversold ?? "down"}`);
    say(`${buyers} buyers. Oversold: ${over.join(", ")}.`);
    if (failures.length) fail(new Failure(failures.join(" ")));
  } catch (error) {
    say("The burst was not completed.");
    fail(error);
  }
  busy(false);
}

function showTrack() {
  const found = state.bursts.get(state.track);
  if (found) list($("steps").tBodies[0], draw($("timeline"), found.reports));
}

async function reset() {
  busy(true);
  try {
    const found = await call(here(), "/api/reset", {});
    const failed = Object.entries(found.failed).map(([name, error]) => `${name}: ${error}`);
    say(`${found.seats} seats are free.`);
    fail(failed.length ? new Failure(`${failed.join("; ")}. Reset again once the Region is back.`) : null);
    if (!failed.length) await poll();
  } catch (error) {
    fail(error);
  }
  busy(false);
}

async function showLedger() {
  try {
    const found = await call(here(), `/api/evidence?backend=${state.backend}`);
    $("statement").textContent = found.statement;
    $("ledger").tBodies[0].replaceChildren(...found.rows.map((sale) => {
      const row = document.createElement("tr");
      for (const text of [sale.seat, sale.buyer, sale.region, sale.attempts, sale.at]) row.insertCell().textContent = text;
      return row;
    }));
    say(`${numbers.format(found.rows.length)} rows in the ledger of ${state.backend}.`);
  } catch (error) {
    fail(error);
  }
}

choice($("backends"), "backend", BACKENDS, state.backend, (value) => { state.backend = value; showBoards(); });
choice($("tracks"), "track", BACKENDS, state.track, (value) => { state.track = value; showTrack(); });
for (const button of document.querySelectorAll("[data-buyers]")) button.addEventListener("click", () => runBursts(Number(button.dataset.buyers)));
addEventListener("resize", showTrack);
$("reset").addEventListener("click", reset);
$("show").addEventListener("click", showLedger);
$("noswitch").hidden = Boolean(switchUrl);
$("interrupt").hidden = !switchUrl;
const answered = await watch();
$("stopped").textContent = state.regions.find((each) => each.region !== state.region)?.region ?? "the other Region";
say(answered ? `You buy from ${state.region}.` : "The database does not answer.");
live();
