// The timeline of a burst: a row for each buyer, a bar for each step.

const SVG = "http://www.w3.org/2000/svg";
const LEFT = 84, ROW = 10, TOP = 30, ROWS = 60, HEIGHT = 660;
const LETTERS = { conflict: "C", error: "!" };

function add(parent, name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

const number = ({ buyer }) => Number(buyer.replace("buyer ", ""));

// Draws the buyers of both Regions on one clock: milliseconds since the first start.
export function draw(svg, reports) {
  svg.replaceChildren();
  const width = Math.max(240, svg.clientWidth);
  svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  const starts = reports.map((report) => report.start);
  const first = Math.min(...starts);
  const buyers = reports.flatMap((report) => report.buyers.map((buyer) => ({
    ...buyer, region: report.region, shift: (report.start - first) * 1000,
  })));
  const ends = buyers.flatMap((buyer) => buyer.steps.map((step) => step.end + buyer.shift));
  const longest = Math.max(50, ...ends);
  const x = (ms) => LEFT + Math.max(0, ms) / longest * (width - LEFT - 20);
  const ticks = width < 500 ? 2 : 5;
  for (let tick = 0; tick <= ticks; tick++) {
    const ms = longest / ticks * tick;
    add(svg, "line", { class: "axis", x1: x(ms), x2: x(ms), y1: TOP - 8, y2: TOP + ROWS * ROW + 4 });
    add(svg, "text", { x: x(ms), y: TOP - 13, "text-anchor": tick === ticks ? "end" : "start" }, `${Math.round(ms)} ms`);
  }
  const sold = buyers.filter((buyer) => buyer.outcome === "sold").length;
  buyers.sort((a, b) => (b.outcome === "sold") - (a.outcome === "sold") || number(a) - number(b));
  buyers.forEach((buyer, index) => {
    const y = TOP + index * ROW;
    add(svg, "text", { x: 2, y: y + 8 }, `${number(buyer)} ${buyer.region}`);
    for (const step of buyer.steps) {
      const left = x(step.start + buyer.shift);
      const wide = Math.max(1, x(step.end + buyer.shift) - left);
      const bar = add(svg, "rect", { class: step.kind, x: left, y: y + 1, width: wide, height: ROW - 2 });
      add(bar, "title", {}, `${buyer.buyer}, ${buyer.region}: ${step.kind} ${(step.end - step.start).toFixed(1)} ms`);
      if (LETTERS[step.kind]) add(svg, "text", { x: left + wide + 1, y: y + 8 }, LETTERS[step.kind]);
    }
    const last = buyer.steps.at(-1);
    const mark = buyer.outcome === "sold" ? "S" : buyer.outcome === "failed" || buyer.outcome === "unknown" ? "!" : "";
    if (mark && last) add(svg, "text", { x: x(last.end + buyer.shift) + 10, y: y + 8, "font-weight": 700 }, mark);
  });
  const conflicts = buyers.reduce((sum, buyer) => sum + (buyer.conflicts ?? 0), 0);
  svg.ariaLabel = `${buyers.length} buyers: ${sold} were told sold, ${conflicts} conflicts, ${Math.round(longest)} ms in all`;
  return buyers;
}

export function list(body, buyers) {
  body.replaceChildren(...buyers.map((buyer) => {
    const row = document.createElement("tr");
    const steps = buyer.steps.map((step) => `${step.kind} ${Math.round(step.start + buyer.shift)}–${Math.round(step.end + buyer.shift)}`);
    for (const text of [buyer.buyer, buyer.region, buyer.error ? `${buyer.outcome}: ${buyer.error}` : buyer.outcome, buyer.attempts, steps.join(", ")]) {
      row.insertCell().textContent = text;
    }
    return row;
  }));
}
