// Before a page's own scripts: how much of what is seen moves by itself (Layout Instability, score per frame, summed).
globalThis.__moved = { score: 0, what: [] };
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) {
    if (one.hadRecentInput) continue;
    globalThis.__moved.score += one.value;
    for (const source of one.sources) globalThis.__moved.what.push(`${one.value.toFixed(3)} ${source.node?.className || source.node?.nodeName}`);
  }
}).observe({ type: "layout-shift", buffered: true });
