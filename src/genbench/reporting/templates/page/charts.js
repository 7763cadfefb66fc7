// Charts: drawn in the colours of the page, and again when it turns dark or light.
const charts = JSON.parse(document.getElementById("charts").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function chartConfig() {
  const style = getComputedStyle(document.documentElement);
  const [ink, line] = [style.getPropertyValue("--ink").trim(), style.getPropertyValue("--line").trim()];
  const text = { labelColor: ink, titleColor: ink };
  return {
    background: "transparent", view: { stroke: line }, axis: { ...text, gridColor: line, domainColor: line },
    legend: text, title: { color: ink },
  };
}

async function drawChart(element) {
  const how = { actions: false, renderer: "svg", config: chartConfig() };
  const { view } = await vegaEmbed(element, charts[element.dataset.chart], how);
  element.dispatchEvent(new CustomEvent("drawn", { detail: view }));
}

// A chart is drawn when it first comes near the screen: two hundred at once would take seconds.
const near = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (isIntersecting && !target.dataset.drawn) {
      target.dataset.drawn = "yes";
      drawChart(target);
    }
  }
}, { rootMargin: "600px" });
document.querySelectorAll("[data-chart]").forEach((element) => near.observe(element));
dark.addEventListener("change", () => document.querySelectorAll("[data-drawn]").forEach(drawChart));
