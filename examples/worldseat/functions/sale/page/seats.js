// The plan of seats: a grid of buttons with one tab stop.

export class Plan {
  constructor(table, buy) {
    this.buttons = [...table.querySelectorAll("button")];
    this.buttons[0].tabIndex = 0;
    for (const button of this.buttons) {
      button.firstChild.dataset.number = button.id.slice(1);
      button.dataset.sold = "0";
    }
    table.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) {
        this.focus(button);
        buy(button);
      }
    });
    table.addEventListener("keydown", (event) => this.move(event));
  }

  move(event) {
    const index = this.buttons.indexOf(event.target);
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -12, ArrowDown: 12 };
    let next = index + (steps[event.key] ?? 0);
    if (event.key === "Home") next = index - (index % 12);
    if (event.key === "End") next = index - (index % 12) + 11;
    if (index < 0 || next === index || !this.buttons[next]) return;
    event.preventDefault();
    this.focus(this.buttons[next]);
  }

  focus(button) {
    for (const each of this.buttons) each.tabIndex = each === button ? 0 : -1;
    button.focus();
  }

  show(board) {
    const rows = new Map(board.seats.map((seat) => [seat.seat, seat]));
    for (const button of this.buttons) {
      const seat = rows.get(button.id);
      const disagrees = board.disagree.includes(seat.seat);
      button.dataset.sold = String(seat.sold);
      button.firstChild.dataset.sold = String(seat.sold);
      button.classList.toggle("over", seat.sold > 1 || disagrees);
      const state = seat.sold > 1 ? `sold ${seat.sold} times` : seat.sold ? `sold to ${seat.owner}` : "free";
      button.ariaLabel = `Seat ${seat.seat}, ${state}${disagrees && seat.sold < 2 ? ", disagrees with the ledger" : ""}`;
    }
  }
}
