// 质量报告: the chart of the days reads its table.
import uPlot from "../../vendor/uPlot.js";
import { ready } from "../ready.js";

const page = document.querySelector("main");
const place = page.querySelector("[data-chart]");
const days = [...page.querySelectorAll("[data-days] tr")].map((row) => row.dataset);
const colour = (name) => getComputedStyle(page).getPropertyValue(name).trim();
const room = () => ({ width: Math.max(200, place.clientWidth - 20), height: Math.max(110, place.clientHeight - 6) });
let chart = null;

function draw() {
  chart?.destroy();
  const font = `12px ${getComputedStyle(page).fontFamily}`;
  const axis = { stroke: colour("--wd-text-3"), font, grid: { stroke: colour("--wd-line"), width: 1 }, ticks: { show: false }, gap: 4 };
  const line = (name) => ({ stroke: colour(name), width: 2, points: { show: true, size: 6, fill: colour(name) } });
  chart = new uPlot(
    {
      ...room(),
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: false, range: () => [-0.5, days.length - 0.5] }, y: { range: (_chart, _min, most) => [0, Math.max(5, most * 1.15)] } },
      axes: [
        { ...axis, grid: { show: false }, size: 26, space: 56, incrs: [1, 2, 5, 10, 20, 50, 100], values: (_chart, at) => at.map((n) => days[n]?.day.slice(5) ?? "") },
        { ...axis, size: 52, space: 24, values: (_chart, at) => at.map((n) => `${n} 分`) },
      ],
      series: [{}, line("--wd-action"), line("--wd-wait-mark")],
    },
    [days.map((_day, n) => n), days.map((each) => Number(each.half)), days.map((each) => Number(each.most))],
    place,
  );
}

if (place) {
  draw();
  new ResizeObserver(() => place.clientWidth && chart.setSize(room())).observe(place);
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
}
ready("quality");
