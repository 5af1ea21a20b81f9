// Text is compared with the nearest ground that an ancestor paints (WCAG 2.2, 1.4.3 AA: 4.5); targets with 44 px.
([root, scrolls]) => {
  const faults = [];
  const wide = innerWidth, high = innerHeight;
  const doc = document.documentElement;
  if (doc.scrollWidth > wide || (doc.scrollHeight > high && !scrolls)) faults.push(`page ${doc.scrollWidth}x${doc.scrollHeight}`);
  const colour = (text) => {
    const numbers = text.match(/[\d.]+/g).map(Number);
    const scale = text.startsWith("color(") ? 255 : 1;
    return [...numbers.slice(0, 3).map((n) => n * scale), numbers[3] ?? 1];
  };
  const mix = (top, below, a) => top.map((n, i) => n * a + below[i] * (1 - a));
  const light = (rgb) => rgb.map((n) => n / 255).map((n) => n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4)
    .reduce((sum, n, i) => sum + n * [0.2126, 0.7152, 0.0722][i], 0);
  const name = (node) => `${node.tagName.toLowerCase()}.${node.className.baseVal ?? node.className}`;
  const own = (node) => [...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
  const seen = (node) => node.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !node.closest(".unseen, .sr") &&
    getComputedStyle(node).clipPath === "none"; // clipped away: said to screen readers only
  const all = [...document.querySelectorAll(`${root} *`)].filter(seen);
  const text = all.filter((node) => own(node) && !node.closest("svg"));
  for (const node of text) {
    const style = getComputedStyle(node);
    let ground = [255, 255, 255], opacity = 1;
    for (let up = node; up; up = up.parentElement) opacity *= Number(getComputedStyle(up).opacity);
    for (let up = node; up; up = up.parentElement) {
      const [r, g, b, a] = colour(getComputedStyle(up).backgroundColor);
      if (a > 0.99) { ground = [r, g, b]; break; }
    }
    const [r, g, b, a] = colour(style.color);
    const ink = mix([r, g, b], ground, a * opacity);
    const [low, top] = [light(ink), light(ground)].sort((x, y) => x - y);
    const ratio = (top + 0.05) / (low + 0.05);
    if (ratio < 4.5 && !node.closest(":disabled")) faults.push(`contrast ${ratio.toFixed(2)} ${name(node)}`);
    if (parseFloat(style.fontSize) === 0) continue; // said to screen readers only
    if (parseFloat(style.fontSize) < 12) faults.push(`letters ${style.fontSize} ${name(node)}`);
    const frame = node.parentElement;
    if (node.tagName === "H1" && getComputedStyle(frame).overflowX !== "visible" && node.getBoundingClientRect().right > frame.getBoundingClientRect().right + 1) {
      faults.push(`cut by its frame ${name(node)}`);
    }
    const block = style.display !== "inline" && node.tagName !== "H1"; // a headline's letters may leave its tight lines
    if (block && (node.scrollWidth > node.clientWidth + 1 || node.scrollHeight > node.clientHeight + 3)) {
      faults.push(`cut ${node.scrollWidth}x${node.scrollHeight} in ${node.clientWidth}x${node.clientHeight} ${name(node)}`);
    }
  }
  const buttons = all.filter((node) => node.tagName === "BUTTON");
  for (const node of buttons) {
    const box = node.getBoundingClientRect();
    if (Math.min(box.width, box.height) < 44) faults.push(`target ${box.width}x${box.height} ${name(node)}`);
    if (!(node.getAttribute("aria-label") ?? node.textContent).trim()) faults.push(`nameless ${name(node)}`);
    if (node.tabIndex < 0 && node.role !== "tab") faults.push(`unreachable ${name(node)}`);
  }
  for (const node of all.filter((one) => one.tagName === "IMG" && !one.hasAttribute("alt"))) faults.push(`no alt ${node.src}`);
  for (const node of document.querySelectorAll(`${root}[role=dialog]`)) {
    if (seen(node) && !node.getAttribute("aria-label")) faults.push("nameless dialog");
  }
  const apart = [...buttons, ...all.filter((node) => node.matches(".hello, h1, .lead, .other, .about, .plate, .digits, .hint, .caption, footer strong, footer .consent"))]
    .filter((node) => node.textContent.trim() || node.tagName === "BUTTON");
  /** What a scrolled part lets be seen of it: behind its edge nothing overlaps. */
  const visible = (node, box) => {
    let { left, top, right, bottom } = box;
    for (let over = node.parentElement; over; over = over.parentElement) {
      if (!/auto|scroll/.test(getComputedStyle(over).overflowY)) continue;
      const edge = over.getBoundingClientRect();
      [left, top, right, bottom] = [Math.max(left, edge.left), Math.max(top, edge.top), Math.min(right, edge.right), Math.min(bottom, edge.bottom)];
    }
    return { left, top, right, bottom };
  };
  const boxes = apart.map((node) => [node, node.getBoundingClientRect()]);
  boxes.forEach(([node, whole], n) => {
    const box = visible(node, whole); // what is scrolled away is not outside
    if (box.bottom <= box.top) return;
    if (box.left < -1 || box.top < -1 || box.right > wide + 1 || (box.bottom > high + 1 && !scrolls)) faults.push(`outside ${name(node)}`);
    for (const [other, its] of boxes.slice(n + 1)) {
      if (node.contains(other) || other.contains(node)) continue;
      if (node.matches(".mark") && other.matches(".mark")) continue; // on a plan things are where they are; a list has them too
      const [one, two] = [visible(node, box), visible(other, its)];
      const across = Math.min(one.right, two.right) - Math.max(one.left, two.left);
      const down = Math.min(one.bottom, two.bottom) - Math.max(one.top, two.top);
      if (across > 1 && down > 1) faults.push(`overlap ${name(node)} ${name(other)}`);
    }
  });
  return faults;
}
