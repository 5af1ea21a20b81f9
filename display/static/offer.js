/** The one thing that a coupon's page needs a script for. */

const print = document.querySelector("[data-print]");
print.hidden = false;
print.addEventListener("click", () => window.print());
