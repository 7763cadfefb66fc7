// Time-lapses: the samples of all models at one time of training, which is also a rule on the curves.
{
  const STEPS = 100; // of the slider
  const PACE = 100; // milliseconds a step

  // The value between known ones, of pairs in order of the first.
  function interpolated(pairs, at) {
    const next = pairs.findIndex(([x]) => x >= at);
    if (next === -1) return pairs.at(-1)[1];
    if (next === 0) return pairs[0][0] > 0 ? (pairs[0][1] * at) / pairs[0][0] : pairs[0][1];
    const [[a, low], [b, high]] = [pairs[next - 1], pairs[next]];
    return low + ((high - low) * (at - a)) / (b - a);
  }

  function lapse(element) {
    const part = interaction.parts[element.dataset.part];
    const find = (selector) => element.querySelector(selector);
    const [slider, play] = [find("input[type=range]"), find(".play")];
    const figures = [...element.querySelectorAll("figure")].map((figure) => {
      const exhibit = part.exhibits[figure.dataset.exhibit];
      return { figure, exhibit, times: exhibit.lapse.times, shown: -1 };
    });
    const views = new Map(); // the drawn charts, with their facts
    let timer = 0;
    let at = 0;

    const unit = () => find("input[type=radio]:checked").value;
    const last = () => Math.max(...figures.map(({ times }) => times.at(-1)[unit() === "images" ? 0 : 1]));
    const said = (value) => (unit() === "images" ? `${whole(value)} images` : `${whole(value)} s`);

    function set(value) {
      at = Math.max(0, Math.min(last(), value));
      slider.value = (STEPS * at) / last();
      const key = unit() === "images" ? 0 : 1;
      slider.setAttribute("aria-valuetext", `after ${said(at)}`);
      find("output").textContent = `after ${said(at)}`;
      for (const one of figures) {
        const passed = one.times.findLastIndex((time) => time[key] <= at * (1 + 1e-9));
        const [images, seconds] = one.times[Math.max(0, passed)];
        const when = `after ${whole(images)} images${seconds === null ? "" : ` (${whole(seconds)} s)`}`;
        const text = passed < 0 ? `first seen ${when}` : passed === one.times.length - 1 ? `at its end, ${when}` : when;
        one.figure.querySelector(".when").textContent = text;
        one.figure.querySelector("canvas").setAttribute("aria-label", `samples of ${one.exhibit.label} ${when}`);
        if (one.shown !== Math.max(0, passed)) {
          one.shown = Math.max(0, passed);
          cut(one.exhibit.lapse, one.shown, one.figure.querySelector("canvas"));
        }
      }
      views.forEach(mark);
    }

    // Where the cursor lies on a chart; null where the models are not at one place.
    function across(chart) {
      if (chart.over === unit()) return at;
      const own = figures.find(({ exhibit }) => exhibit.label === chart.model);
      if (!own || chart.over !== "images") return null;
      return interpolated(own.times.map(([images, seconds]) => [seconds, images]), at);
    }

    const plot = (chart) => chart.querySelector(".role-frame.root > g > .background")?.getBoundingClientRect();

    function mark({ view, facts }, chart) {
      chart.querySelector(".rule")?.remove();
      const [x, area, box] = [across(facts), plot(chart), chart.getBoundingClientRect()];
      if (x === null || !area) return;
      const place = view.scale("x")(x);
      if (!(place >= 0 && place <= area.width + 1)) return;
      const rule = document.createElement("div");
      rule.className = "rule";
      Object.assign(rule.style, {
        left: `${area.left - box.left + place - 1}px`, top: `${area.top - box.top}px`, height: `${area.height}px`,
      });
      chart.append(rule);
    }

    function link(facts) {
      const chart = document.getElementById(facts.name);
      chart.addEventListener("drawn", ({ detail }) => {
        views.set(chart, { view: detail, facts });
        mark({ view: detail, facts }, chart);
      });
      new ResizeObserver(() => views.has(chart) && views.get(chart).view.runAsync().then(() => mark(views.get(chart), chart))).observe(chart);
      const take = (event) => {
        const [drawn, area] = [views.get(chart), plot(chart)];
        if (!drawn || !area || event.clientX < area.left || event.clientX > area.right) return;
        if (event.clientY < area.top || event.clientY > area.bottom) return;
        pause();
        const there = drawn.view.scale("x").invert(event.clientX - area.left);
        if (facts.over !== unit()) {
          const own = figures.find(({ exhibit }) => exhibit.label === facts.model);
          if (own) set(interpolated(own.times, there));
          else choose(facts.over, there);
        } else set(there);
      };
      chart.addEventListener("pointerdown", take);
      chart.addEventListener("pointermove", (event) => event.buttons === 1 && take(event));
    }

    // A curve over images, clicked while the models are in step by seconds: from then on they are by images.
    function choose(wanted, value) {
      const radio = find(`input[value=${wanted}]`);
      if (radio.disabled) return;
      radio.checked = true;
      set(value);
    }

    function pause() {
      clearInterval(timer);
      timer = 0;
      play.textContent = still.matches ? "Next" : "Play";
    }

    function run() {
      if (timer) return pause();
      if (at >= last() * (1 - 1e-9)) set(0);
      else if (still.matches) next();
      if (still.matches) return undefined;
      play.textContent = "Pause";
      timer = setInterval(() => {
        set(at + last() / STEPS);
        if (at >= last() * (1 - 1e-9)) pause();
      }, PACE);
      return undefined;
    }

    // Without motion: on to the next picture of any model.
    function next() {
      const key = unit() === "images" ? 0 : 1;
      const later = figures.flatMap(({ times }) => times.map((time) => time[key])).filter((time) => time > at * (1 + 1e-9));
      set(Math.min(...later, last()));
    }

    if (figures.some(({ times }) => times.some(([, seconds]) => seconds === null))) {
      find("input[value=seconds]").disabled = true;
      find("input[value=images]").checked = true;
    }
    slider.addEventListener("input", () => { pause(); set((slider.value * last()) / STEPS); });
    find("fieldset").addEventListener("change", () => set(last()));
    play.addEventListener("click", run);
    part.charts.forEach(link);
    pause();
    set(last());
  }

  for (const element of document.querySelectorAll(".lapse")) {
    element.hidden = false;
    lapse(element);
  }
}
