// Serving: who waited how long, and what the system did meanwhile.

function cdf(values) {
  const sorted = values.filter(v => typeof v === 'number').sort((a, b) => a - b);
  const step = Math.max(1, Math.floor(sorted.length / 500));
  const points = [];
  for (let i = 0; i < sorted.length; i += step) points.push([sorted[i], 100 * (i + 1) / sorted.length]);
  if (sorted.length) points.push([sorted[sorted.length - 1], 100]);
  return points;
}

/// Percentiles that the result names, where the folder has no requests.csv.
const knownPoints = p => [[p.p50, 50], [p.p90, 90], [p.p99, 99], [p.max, 100]].filter(([v]) => v !== undefined);

function latencyFigure(serve, key, column, words) {
  const sides = [[serve, data.requests], ...(serve.vs ? [[serve.vs, data.requests_vs]] : [])];
  const curves = sides.map(([side, requests]) => requests ? cdf(requests.columns[column] || []) : knownPoints(side[key]));
  const limit = (serve.slo || []).filter(s => s.slo.startsWith(column.replace('_s', '') + '.'));
  const ends = [...curves.flat().map(p => p[0]).filter(v => v > 0), ...limit.map(l => l.limit_s)];
  const [from, to] = [ends.reduce((a, b) => Math.min(a, b)) / 1.3, ends.reduce((a, b) => Math.max(a, b)) * 1.3];
  return figure({
    title: words,
    note: 'Share of requests that waited at most so long.' + (limit.length ? ' Vertical line: the objective ' +
      limit.map(l => l.slo).join(', ') + '.' : ''),
    height: 300,
    option: () => ({
      legend: {},
      grid: {left: 8, right: 24, top: 36, bottom: 24, containLabel: true},
      tooltip: {trigger: 'item', formatter: p => text(p.seriesName) + '<br>' + digits(p.value[1]) + ' % within ' + si(p.value[0], 's')},
      xAxis: {type: 'log', min: from, max: to, axisLabel: {formatter: v => si(v, 's'), showMinLabel: false, showMaxLabel: false}},
      yAxis: {type: 'value', max: 100, axisLabel: {formatter: '{value} %'}},
      series: sides.map(([side], i) => ({name: side.on, type: 'line', symbolSize: curves[i].length < 8 ? 8 : 3, showAllSymbol: true,
        lineStyle: {width: 2, type: i ? 'dashed' : 'solid'}, data: curves[i].filter(p => p[0] > 0),
        markLine: i || !limit.length ? undefined : {silent: true, symbol: 'none', lineStyle: {color: theme.ink, type: 'dotted'},
          label: {show: false}, data: limit.map(l => ({xAxis: l.limit_s}))}})),
    }),
    table: {columns: [{name: 'system'}, ...['p50', 'p90', 'p99', 'mean', 'max'].map(p => ({name: p, unit: 's', show: v => si(v, 's')}))],
      rows: sides.map(([side]) => [side.on, ...['p50', 'p90', 'p99', 'mean', 'max'].map(p => side[key][p])])},
  });
}

const SERIES = [['arrivals_per_s', 'requests arriving per second'], ['finished_per_s', 'requests finished per second'],
  ['output_tokens_per_s', 'output tokens per second'], ['prompt_tokens_per_s', 'prompt tokens per second'],
  ['in_system', 'requests in the system'], ['batch', 'sequences in a step'], ['kv_share', 'share of KV memory in use'],
  ['utilisation', 'share of time busy'], ['power_w', 'power, W']];

function timelineFigure(serve) {
  const sides = serve.vs ? [serve, serve.vs] : [serve];
  const known = SERIES.filter(([key]) => sides.every(s => s.series && Array.isArray(s.series[key])));
  if (!known.length) return null;
  let [key, words] = known.find(([k]) => k === 'in_system') || known[0];
  const columns = [{name: 'system'}, {name: 'time', unit: 's'}, ...known.map(([k]) => ({name: k}))];
  const rows = sides.flatMap(s => s.series[known[0][0]].map((v, i) => [s.on, i * s.series.bin_s, ...known.map(([k]) => s.series[k][i])]));
  const node = figure({
    title: 'Load and work over time',
    height: 320,
    controls: element('div', {class: 'bar'}, choice('Show', [[key, words], ...known.filter(([k]) => k !== key)], value => {
      [key, words] = known.find(([k]) => k === value);
      node.redraw();
    })),
    option: () => ({
      legend: {},
      grid: {left: 8, right: 24, top: 36, bottom: 62, containLabel: true},
      dataZoom: [{type: 'slider', height: 18, bottom: 8, labelFormatter: v => digits(v) + ' s', textStyle: {color: theme.soft}}],
      tooltip: {trigger: 'axis', formatter: items => si(items[0].value[0], 's') + '<br>' + items.map(i => text(i.seriesName) + ': ' +
        digits(i.value[1])).join('<br>')},
      xAxis: {type: 'value', axisLabel: {formatter: v => digits(v) + ' s'}},
      yAxis: {type: 'value', name: words, nameTextStyle: {align: 'left'}},
      series: sides.map((s, i) => ({name: s.on, type: 'line', step: 'end', showSymbol: false,
        lineStyle: {width: 2, type: i ? 'dashed' : 'solid'},
        data: s.series[key].map((v, b) => [b * s.series.bin_s, v])})),
    }),
    table: {columns, rows},
  });
  return node;
}

function serveSections(serve) {
  const sides = serve.vs ? [serve, serve.vs] : [serve];
  const rows = [];
  const add = (name, get, show) => rows.push(Object.assign([name, ...sides.map(get)], {show}));
  for (const [key, words] of [['ttft_s', 'time to first token'], ['tpot_s', 'time per output token'], ['e2e_s', 'whole request']]) {
    for (const p of ['p50', 'p90', 'p99']) add(words + ', ' + p, s => s[key][p], v => si(v, 's'));
  }
  add('requests', s => s.requests, digits);
  add('not served', s => s.unfinished, digits);
  add('output tokens per second', s => s.output_tokens_per_s, digits);
  add('share of time busy', s => s.utilisation, percent);
  add('peak share of KV memory', s => s.kv && s.kv.peak_share, percent);
  add('energy per token', s => s.energy_per_token_j, v => si(v, 'J'));
  add('cost per million tokens', s => s.usd_per_mtok, dollars);
  const met = side => side.slo_met === null || side.slo_met === undefined ? '' :
    side.slo_met ? ' meets its objectives' : ' misses its objectives';
  const intro = [element('p', {class: 'verdict'}, serve.model + ', ' + Number(serve.requests).toLocaleString('en') + ' requests: ' +
    sides.map(s => s.on + (met(s) ? met(s) + ',' : '') + ' first token within ' + si(s.ttft_s.p90, 's') +
      ' for 90 % of requests, ' + dollars(s.usd_per_mtok) + ' per million tokens').join('; ') + '.'),
  dataTable('Serving', [{name: 'quantity'}, ...sides.map(s => ({name: s.on, show: (v, row) => row.show(v)}))], rows)];
  const slo = sides.flatMap(s => (s.slo || []).map(o => [s.on, o.slo, o.limit_s, o.reached_s, o.met ? 'met' : 'missed']));
  if (slo.length) {
    intro.push(element('h3', {}, 'Objectives'), dataTable('Objectives', [{name: 'system'}, {name: 'objective'},
      {name: 'limit', show: v => si(v, 's')}, {name: 'reached', show: v => si(v, 's')}, {name: 'outcome'}], slo));
  }
  if (data.requests && data.requests.step > 1) {
    intro.push(element('p', {class: 'note'}, 'Curves are drawn from every ' + data.requests.step + 'th request.'));
  }
  return [['serving', 'Serving', intro], ['waits', 'How long requests wait', [
    latencyFigure(serve, 'ttft_s', 'ttft_s', 'Time to first token'),
    latencyFigure(serve, 'tpot_s', 'tpot_s', 'Time per output token'),
    latencyFigure(serve, 'e2e_s', 'e2e_s', 'Whole request')]], ['over-time', 'Over time', [timelineFigure(serve)]]];
}
