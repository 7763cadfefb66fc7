// The blind test: which images and in what order is drawn by chance from a seed, the number of the round.
{
  const card = document.getElementById("guessing");
  const find = (selector) => card.querySelector(selector);
  const rounds = {}; // begun so far, by data set: its real images are those of all its models
  let [questions, answers] = [[], []];

  // Mulberry32: numbers in [0, 1) from a seed.
  function chance(seed) {
    let state = seed >>> 0;
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
  }

  function shuffled(items, seed) {
    const [mixed, next] = [[...items], chance(seed)];
    for (let i = mixed.length - 1; i > 0; i -= 1) {
      const j = Math.floor(next() * (i + 1));
      [mixed[i], mixed[j]] = [mixed[j], mixed[i]];
    }
    return mixed;
  }

  // The n-th handful of images: none comes again before all were seen.
  function handful(images, many, round) {
    const mixed = shuffled(images, 1);
    return Array.from({ length: many }, (_, i) => mixed[(round * many + i) % mixed.length]);
  }

  const images = (sprite, truth) => Array.from({ length: sprite.count }, (_, index) => ({ sprite, index, truth }));

  function chosen() {
    const [p, e] = find("select").value.split("/");
    const part = interaction.parts[p];
    return { part, exhibits: e === "all" ? part.exhibits.filter((one) => one.blind) : [part.exhibits[e]] };
  }

  async function start() {
    const { part, exhibits } = chosen();
    const round = rounds[part.title] ?? 0;
    rounds[part.title] = round + 1;
    const half = interaction.guesses / 2;
    const generated = exhibits.flatMap((exhibit) => images(exhibit.blind, "generated"));
    const asked = shuffled(
      [...handful(images(part.blind, "real"), half, round), ...handful(generated, half, round)], round + 2,
    );
    stop();
    questions = asked;
    // Nobody is asked about an image that is not there yet.
    await Promise.all(asked.map(({ sprite }) => load(sprite)));
    if (questions !== asked) return;
    find(".round").hidden = false;
    find(".start").textContent = "Start anew";
    ask();
    find("button[value=real]").focus();
  }

  function stop() {
    [questions, answers] = [[], []];
    find(".round").hidden = find(".end").hidden = true;
  }

  function ask() {
    const { sprite, index } = questions[answers.length];
    find(".progress").textContent = `Image ${answers.length + 1} of ${questions.length}`;
    cut(sprite, index, find(".round canvas"));
  }

  function answer(said) {
    answers.push(said);
    if (answers.length < questions.length) ask();
    else end();
  }

  function end() {
    const { exhibits } = chosen();
    const right = answers.filter((said, i) => said === questions[i].truth).length;
    const [low, high] = interaction.intervals[right];
    const lines = [
      `You told ${right} of ${questions.length} right. Who only guesses gets ${questions.length / 2} in the mean.`,
      `So few images leave much open: between ${percent(low)} and ${percent(high)} of all such images you may tell right (exact binomial interval, 95 %).`,
      ...exhibits.filter((one) => one.told_apart !== null).map((one) =>
        `The two-sample score of ${one.label}: a linear classifier tells ${percent(one.told_apart)} apart; you ${right} of ${questions.length}.`),
    ];
    find(".end .said").replaceChildren(...lines.map((line) => Object.assign(document.createElement("li"), { textContent: line })));
    find(".end .answers").replaceChildren(...questions.map(({ sprite, index, truth }, i) => {
      const item = document.createElement("li");
      const canvas = document.createElement("canvas");
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `image ${i + 1}`);
      cut(sprite, index, canvas);
      const wrong = answers[i] !== truth;
      item.className = wrong ? "wrong" : "";
      item.append(canvas, document.createElement("br"), wrong ? `${truth}; you said ${answers[i]}` : `${truth}: right`);
      return item;
    }));
    find(".round").hidden = true;
    find(".end").hidden = false;
    find(".start").textContent = "Another round";
    find(".end").focus();
  }

  // A choice of models that have images, on data that have enough of them.
  function offer() {
    interaction.parts.forEach((part, p) => {
      const able = part.exhibits.flatMap((one, e) => (one.blind ? [[e, one.label]] : []));
      if (!part.blind || part.blind.count < interaction.guesses / 2 || !able.length) return;
      const choices = able.length > 1 ? [...able, ["all", "all models"]] : able;
      for (const [e, label] of choices) find("select").append(new Option(`${label} on ${part.title}`, `${p}/${e}`));
    });
    card.hidden = false;
    card.parentElement.hidden = !find("select").length;
  }

  if (card) {
    offer();
    find(".start").addEventListener("click", start);
    find("select").addEventListener("change", () => {
      stop();
      find(".start").textContent = "Start";
    });
    for (const button of card.querySelectorAll(".round button")) {
      button.addEventListener("click", () => answer(button.value));
    }
    // A key that is held would answer image after image, before they are seen.
    card.addEventListener("keydown", (event) => {
      if (event.repeat && event.key === "Enter") event.preventDefault();
    });
    find(".round").addEventListener("keydown", (event) => {
      if (event.repeat) return;
      const said = { r: "real", g: "generated" }[event.key.toLowerCase()];
      if (said && !event.ctrlKey && !event.metaKey && !event.altKey) answer(said);
    });
  }
}
