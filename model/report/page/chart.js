// Charts: drawn when they come into view, redrawn when theme or size changes, steered by keys.

const HAS_CHARTS = typeof echarts !== 'undefined';

// Okabe and Ito's palette: told apart with every common kind of colour blindness. Stacked marks
// carry a pattern besides.
const COLOURS = {
  light: ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#7a7a7a', '#c8b900'],
  dark: ['#3fa0dd', '#f0b429', '#22c795', '#e39cc5', '#8fd0f5', '#ff8a4c', '#a0a0a0', '#f0e442'],
};
const BOUNDS = ['compute', 'vector', 'hbm', 'l2', 'noc', 'link', 'launch', 'power'];
const BOUND_COLOUR = {compute: 0, vector: 4, hbm: 5, l2: 1, noc: 2, link: 3, launch: 6, power: 7};
const BOUND_WORDS = {compute: 'matrix units', vector: 'vector units', hbm: 'memory (HBM)', l2: 'L2 cache',
  noc: 'on-chip network', link: 'links between chips', launch: 'launch and host', power: 'power cap'};

const theme = {
  name: 'light',
  get colours() { return COLOURS[this.name]; },
  get ink() { return this.name === 'dark' ? '#eceff3' : '#16191d'; },
  get soft() { return this.name === 'dark' ? '#a4adb8' : '#565d66'; },
  get line() { return this.name === 'dark' ? '#3a414a' : '#d5d9df'; },
  get panel() { return this.name === 'dark' ? '#1d2126' : '#ffffff'; },
  bound(name) { return this.colours[BOUND_COLOUR[name]]; },
};

const drawn = new Set();

/// What all charts share; `option` may override any of it.
function dressed(option, title) {
  const axis = a => Object.assign({
    axisLine: {lineStyle: {color: theme.soft}},
  }, a, {
    splitLine: Object.assign({lineStyle: {color: theme.line}}, a.splitLine),
    axisLabel: Object.assign({color: theme.soft, hideOverlap: true}, a.axisLabel),
    nameTextStyle: Object.assign({color: theme.soft}, a.nameTextStyle),
  });
  const each = a => Array.isArray(a) ? a.map(axis) : axis(a);
  const out = Object.assign({
    animation: false,
    color: theme.colours,
    textStyle: {color: theme.ink, fontFamily: 'system-ui, sans-serif'},
    aria: {enabled: true, label: {description: title}},
  }, option);
  out.tooltip = Object.assign({
    confine: true, backgroundColor: theme.panel, borderColor: theme.line,
    textStyle: {color: theme.ink, fontSize: 13}, extraCssText: 'max-width:340px;white-space:normal',
  }, option.tooltip);
  if (option.legend) {
    out.legend = Object.assign({type: 'scroll', top: 0, pageTextStyle: {color: theme.soft},
      pageIconColor: theme.soft}, option.legend, {textStyle: {color: theme.ink}});
  }
  if (option.xAxis) out.xAxis = each(option.xAxis);
  if (option.yAxis) out.yAxis = each(option.yAxis);
  return out;
}

/// Arrow keys walk through the marks of a chart and show what hovering shows.
function walk(chart, event, place) {
  const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
  if (event.key === 'Escape') chart.dispatchAction({type: 'hideTip'});
  if (!step) return;
  event.preventDefault();
  const series = chart.getOption().series || [];
  if (!series.length) return;
  place.data += step;
  for (let tries = 0; tries < series.length; ++tries) {
    const count = (series[place.series].data || []).length;
    if (place.data >= 0 && place.data < count) break;
    place.series = (place.series + (step > 0 ? 1 : series.length - 1)) % series.length;
    place.data = step > 0 ? 0 : Math.max(0, (series[place.series].data || []).length - 1);
  }
  chart.dispatchAction({type: 'showTip', seriesIndex: place.series, dataIndex: place.data});
}

/// A figure: caption, chart, data. `option()` is asked again for every redraw. `table` is {columns,
/// rows}. Returns the element; its `redraw()` follows a change of what option() depends on.
function figure({title, note, height = 360, option, table, controls}) {
  const node = element('figure', {}, element('h3', {}, title),
    element('figcaption', {}, note || ''), controls || null);
  const folded = table ? foldedTable(title, table.columns, table.rows) : null;
  if (!HAS_CHARTS) {
    node.append(element('p', {class: 'missing'}, 'The chart library was not there when this page was ' +
      'written. Run scripts/report-assets once, then athena report on this folder. The data are below.'));
    if (folded) { folded.open = true; node.append(folded); }
    node.redraw = () => {};
    return node;
  }
  const box = element('div', {class: 'chart', tabindex: '0', role: 'img', 'data-title': title,
    'aria-label': title + '. Arrow keys walk through the marks; the data follow as a table.'});
  box.style.height = (typeof height === 'function' ? height() : height) + 'px';
  node.append(box);
  if (folded) node.append(folded);
  let chart = null;
  const place = {series: 0, data: -1};
  node.redraw = () => {
    if (!chart) return;
    chart.setOption(dressed(option(), title), true);
  };
  const draw = () => {
    if (chart) return;
    chart = echarts.init(box, null, {renderer: 'canvas'});
    drawn.add(node);
    node.redraw();
    new ResizeObserver(() => chart.resize()).observe(box);
    box.addEventListener('keydown', event => walk(chart, event, place));
  };
  new IntersectionObserver((entries, observer) => {
    if (!entries.some(e => e.isIntersecting)) return;
    observer.disconnect();
    draw();
  }, {rootMargin: '200px'}).observe(box);
  return node;
}

function setTheme(name) {
  theme.name = name;
  document.documentElement.dataset.theme = name;
  for (const node of drawn) node.redraw();
}

/// A labelled choice that redraws what depends on it.
function choice(label, options, onchange) {
  const select = element('select', {'aria-label': label, onchange: () => onchange(select.value)},
    options.map(([value, words]) => element('option', {value}, words)));
  return element('label', {}, label + ' ', select);
}
