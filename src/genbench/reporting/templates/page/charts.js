// Charts: drawn in the page's own colours, which turn dark and light with it, and light on paper.
const charts = JSON.parse(document.getElementById("charts").textContent);
const text = { labelColor: "var(--ink)", titleColor: "var(--ink)" };
const chartConfig = {
  background: "transparent", view: { stroke: "var(--line)" },
  axis: { ...text, gridColor: "var(--line)", domainColor: "var(--line)", tickColor: "var(--line)" },
  legend: text, title: { color: "var(--ink)" },
};

async function drawChart(element) {
  if (element.dataset.drawn) return;
  element.dataset.drawn = "yes";
  const how = { actions: false, renderer: "svg", config: chartConfig };
  const { view } = await vegaEmbed(element, charts[element.dataset.chart], how);
  element.dispatchEvent(new CustomEvent("drawn", { detail: view }));
}

// A chart is drawn when it first comes near the screen: two hundred at once would take seconds.
const near = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) if (isIntersecting) drawChart(target);
}, { rootMargin: "600px" });
document.querySelectorAll("[data-chart]").forEach((element) => near.observe(element));

// Paper shows everything: what is closed is opened for as long as it is printed. A chart that is not drawn yet is its
// picture there, for drawing would be ready when the paper is out; so it is where no script runs.
document.documentElement.classList.add("scripted");
const opened = [];
window.addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details:not([open])")) {
    details.open = true;
    opened.push(details);
  }
});
window.addEventListener("afterprint", () => opened.splice(0).forEach((details) => { details.open = false; }));
