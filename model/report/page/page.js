// The page: head, sections as the data have them, navigation, theme.

const data = JSON.parse(document.getElementById('data').textContent);

function head() {
  const button = element('button', {type: 'button', id: 'theme', onclick: () => {
    setTheme(theme.name === 'dark' ? 'light' : 'dark');
    button.textContent = theme.name === 'dark' ? 'Light' : 'Dark';
  }});
  button.textContent = theme.name === 'dark' ? 'Light' : 'Dark';
  const run = data.run;
  const sub = run ? [run.parameters ? (run.parameters / 1e9).toFixed(2) + ' B parameters' : null,
    run.fidelity + ' tier', run.chips + (run.chips === 1 ? ' chip' : ' chips'), 'stack ' + run.stack].filter(Boolean).join(' · ') : '';
  document.getElementById('head').append(element('div', {}, element('h1', {}, data.title), element('div', {class: 'soft'}, sub)), button);
}

function sections() {
  const out = [];
  if (data.run) out.push(...runSections(data.run));
  if (data.serve) out.push(...serveSections(data.serve));
  if (data.sweep) out.push(...sweepSections(data.sweep));
  if (data.cost) out.push(costSection(data.cost));
  if (data.cost_missing) out.push(['cost', 'Area and cost', [element('p', {}, 'No cost: ' + data.cost_missing)]]);
  if (!data.run && data.validation) out.push(['validation', 'Model error', [errorTable()]]);
  const config = configSection();
  if (config) out.push(config);
  return out;
}

function build() {
  const asked = window.matchMedia('(prefers-color-scheme: dark)');
  theme.name = asked.matches ? 'dark' : 'light';
  document.documentElement.dataset.theme = theme.name;
  asked.addEventListener('change', event => setTheme(event.matches ? 'dark' : 'light'));
  head();
  const nav = document.getElementById('nav');
  const main = document.getElementById('main');
  for (const [id, title, nodes] of sections()) {
    nav.append(element('a', {href: '#' + id}, title));
    main.append(element('section', {id, 'aria-labelledby': id + '-head'}, element('h2', {id: id + '-head'}, title), nodes.filter(Boolean)));
  }
  const host = data.run && data.run.host;
  document.getElementById('foot').append('athena ' + data.version + ' · ' + data.folder +
    (host ? ' · simulated in ' + digits(host.cpu_s) + ' s of processor time' : '') +
    ' · charts by Apache ECharts (Apache License 2.0), inside this file · this page loads nothing from anywhere');
  // Said after the first frame, charts in view included: when the reader can begin.
  requestAnimationFrame(() => setTimeout(() => {
    document.documentElement.dataset.readyMs = Math.round(performance.now());
    document.documentElement.dataset.ready = 'yes';
  }));
}

build();
