// What happened when: one layer engine by engine, rates over time, the map of the network, memory.

/// Every recorded phase of every side: {chip, phase, time (of timeline.json), run (its phase)}.
function recordedViews() {
  const out = [];
  for (const [key, side] of [['run', data.run], ['vs', data.run && data.run.vs]]) {
    const kept = side && data.timeline && data.timeline[key];
    for (const time of (kept && kept.phases) || []) {
      out.push({chip: kept.chip, phase: time.phase, time, kept, run: side.phases.find(p => p.name === time.phase)});
    }
  }
  return out;
}

const viewName = v => v.chip + ' · ' + v.phase;

/// The choice of a view and its figures, redrawn together.
function viewChoice(views, figures) {
  if (views.length < 2) return null;
  return element('div', {class: 'bar'}, choice('Show', views.map((v, i) => [i, viewName(v)]), value => {
    figures.view = views[Number(value)];
    for (const node of figures.nodes) node.redraw();
  }));
}

const ENGINE_WORDS = {matrix: 'matrix unit', vector: 'vector unit', load: 'DMA in', store: 'DMA out'};

/// Rows of the picture of a layer: {name, spans: [[from, to, kernel]], shade: share 0..1 per span?}.
function layerRows(view) {
  const w = view.time.window;
  const rows = [{name: 'kernels', spans: w.kernels.map((k, i) => [k.from_s, k.to_s, i])}];
  for (const engine of ['matrix', 'vector', 'load', 'store']) {
    const lane = w.lanes.find(l => l.engine === engine);
    rows.push({name: ENGINE_WORDS[engine], spans: lane ? lane.spans : []});
  }
  const f = view.time.flows;
  const flow = (name, key, peak) => {
    const rates = f.rates[key] || [];
    const top = peak > 0 ? peak : Math.max(...rates, 1e-30);
    const from = Math.max(0, Math.floor(w.from_s / f.bin_s));
    const to = Math.min(rates.length, Math.ceil(w.to_s / f.bin_s));
    const spans = [], shade = [], value = [];
    for (let i = from; i < to; ++i) {
      if (rates[i] <= 0) continue;
      spans.push([Math.max(0, i * f.bin_s - w.from_s), Math.min(w.to_s, (i + 1) * f.bin_s) - w.from_s, -1]);
      shade.push(Math.min(1, rates[i] / top));
      value.push(rates[i]);
    }
    if (spans.length) rows.push({name, spans, shade, value, peak});
  };
  flow('network', 'network', view.kept.network_peak_bytes_per_s);
  flow('cache', 'cache', view.kept.cache_peak_bytes_per_s);
  flow('HBM read', 'memory_read', view.kept.memory_peak_bytes_per_s);
  flow('HBM write', 'memory_write', view.kept.memory_peak_bytes_per_s);
  return rows;
}

function layerFigure(views) {
  const drawable = views.filter(v => v.time.window);
  if (!drawable.length) return null;
  const shared = {view: drawable[0], nodes: []};
  const node = figure({
    title: 'One layer, engine by engine',
    note: 'One repetition of the longest block as it was simulated. Engines are those of core 0; network, cache and HBM are of ' +
      'the whole chip, the darker the nearer to their peak. The slider below zooms.',
    height: narrow() ? 420 : 470,
    controls: viewChoice(drawable, shared),
    option: () => {
      const w = shared.view.time.window;
      const rows = layerRows(shared.view);
      const items = rows.flatMap((row, r) => row.spans.map((s, i) => ({value: [s[0], s[1], r, s[2]], row: r, place: i})));
      return {
        grid: {left: 8, right: 24, top: 12, bottom: 66, containLabel: true},
        dataZoom: [{type: 'slider', xAxisIndex: 0, height: 18, bottom: 8, filterMode: 'weakFilter', labelFormatter: v => si(v, 's'),
          textStyle: {color: theme.soft}}, {type: 'inside', xAxisIndex: 0, filterMode: 'weakFilter', zoomOnMouseWheel: 'ctrl', moveOnMouseWheel: false}],
        tooltip: {trigger: 'item', formatter: p => {
          const row = rows[p.data.row];
          const [from, to, , k] = p.data.value;
          const kernel = k >= 0 ? w.kernels[k] : null;
          return '<b>' + text(row.name) + (kernel ? ': ' + text(kernel.name) : '') + '</b><br>' + si(from, 's') + ' to ' + si(to, 's') +
            ' (' + si(to - from, 's') + ')' + (row.value ? '<br>' + si(row.value[p.data.place], 'B/s') +
              (row.peak ? ', ' + percent(row.shade[p.data.place]) + ' of the peak' : '') : '');
        }},
        xAxis: {type: 'value', min: 0, max: w.to_s - w.from_s, axisLabel: {formatter: v => si(v, 's')}},
        yAxis: {type: 'category', inverse: true, data: rows.map(r => r.name), splitLine: {show: true},
          axisLabel: {color: theme.ink, interval: 0}},
        series: [{type: 'custom', name: 'layer', encode: {x: [0, 1], y: 2}, data: items, progressive: 2000,
          renderItem: (params, api) => {
            const row = rows[api.value(2)];
            const from = api.coord([api.value(0), api.value(2)]);
            const to = api.coord([api.value(1), api.value(2)]);
            const height = api.size([0, 1])[1] * (api.value(2) === 0 ? .7 : .62);
            const kernel = api.value(3);
            const shape = echarts.graphic.clipRectByRect({x: from[0], y: from[1] - height / 2, width: Math.max(to[0] - from[0], .6), height},
              {x: params.coordSys.x, y: params.coordSys.y, width: params.coordSys.width, height: params.coordSys.height});
            if (!shape) return null;
            const item = items[params.dataIndex];
            const named = api.value(2) === 0 && shape.width > 46;
            const label = named && {style: {text: w.kernels[kernel].name, fill: '#000000', fontSize: 11, width: shape.width - 6, overflow: 'truncate'}};
            return {type: 'rect', shape, textContent: label || undefined, textConfig: label ? {position: 'inside'} : undefined, style: {fill: kernel >= 0 ? theme.colours[kernel % theme.colours.length] : theme.colours[row.name.startsWith('HBM') ? 5 : 0],
              opacity: row.shade ? .15 + .85 * row.shade[item.place] : .9, stroke: api.value(2) === 0 ? theme.panel : undefined}};
          }}],
      };
    },
    table: {columns: [{name: 'chip'}, {name: 'phase'}, {name: 'kernel'}, {name: 'from', unit: 's', show: v => si(v, 's')},
      {name: 'to', unit: 's', show: v => si(v, 's')}],
      rows: drawable.flatMap(v => v.time.window.kernels.map(k => [v.chip, v.phase, k.name, k.from_s, k.to_s]))},
  });
  shared.nodes.push(node);
  return node;
}

/// Power while each kernel of the drawn layer runs: the mean of its kernel over the whole run.
function powerSteps(view) {
  const w = view.time.window;
  if (!w || !view.run) return [];
  const of = name => (view.run.kernels || []).find(k => k.name === name && k.block === w.block && k.power_w > 0);
  const steps = [];
  for (const k of [...w.kernels].sort((a, b) => a.from_s - b.from_s)) {
    const kernel = of(k.name);
    if (kernel) steps.push([k.from_s, kernel.power_w], [k.to_s, kernel.power_w]);
  }
  return steps;
}

function rateFigures(views) {
  if (!views.length) return [];
  const shared = {view: views[0], nodes: []};
  const line = (name, points, more) => Object.assign({name, type: 'line', step: 'end', symbol: 'none', lineStyle: {width: 1.5}, data: points}, more);
  const series = (f, key, scale) => (f.rates[key] || []).map((r, i) => [i * f.bin_s, r * scale]);
  const time = {type: 'value', axisLabel: {formatter: v => si(v, 's')}, min: 0};
  const zoom = [{type: 'slider', xAxisIndex: 0, height: 18, bottom: 8, filterMode: 'none', labelFormatter: v => si(v, 's'),
    textStyle: {color: theme.soft}}, {type: 'inside', xAxisIndex: 0, filterMode: 'none', zoomOnMouseWheel: 'ctrl', moveOnMouseWheel: false}];
  const tip = unit => ({trigger: 'axis', formatter: items => si(items[0].value[0], 's') + '<br>' +
    items.map(i => text(i.seriesName) + ': ' + unit(i.value[1])).join('<br>')});
  const bandwidth = figure({
    title: 'Bandwidth over time',
    note: 'Of one chip, over the part of the run that was simulated (steady repetitions are not simulated again). The dashed line is ' +
      'what the memory could carry at its peak.',
    height: 340,
    controls: viewChoice(views, shared),
    option: () => {
      const f = shared.view.time.flows;
      const peak = shared.view.kept.memory_peak_bytes_per_s;
      const end = Math.max(...Object.values(f.rates).map(r => r.length)) * f.bin_s;
      return {legend: {}, grid: {left: 12, right: 24, top: 36, bottom: 62, containLabel: true}, dataZoom: zoom, tooltip: tip(v => si(v, 'B/s')),
        xAxis: Object.assign({max: end}, time), yAxis: {type: 'value', axisLabel: {formatter: v => si(v, 'B/s')}},
        series: [
          line('HBM read', series(f, 'memory_read', 1), {color: theme.colours[5], areaStyle: {opacity: .25}}),
          line('HBM written', series(f, 'memory_write', 1), {color: theme.colours[1]}),
          line('cache or cluster memory', series(f, 'cache', 1), {color: theme.colours[4]}),
          line('HBM peak', [[0, peak], [end, peak]], {color: theme.soft, lineStyle: {type: 'dashed', width: 1}}),
        ].filter(s => s.data.some(p => p[1] > 0))};
    },
    table: {columns: [{name: 'chip'}, {name: 'phase'}, {name: 'from', unit: 's'}, ...Object.keys(views[0].time.flows.rates).map(n => ({name: n}))],
      rows: views.flatMap(v => {
        const names = Object.keys(v.time.flows.rates);
        const bins = Math.max(...names.map(n => v.time.flows.rates[n].length));
        return Array.from({length: bins}, (_, i) => [v.chip, v.phase, i * v.time.flows.bin_s, ...names.map(n => v.time.flows.rates[n][i] || 0)]);
      })},
  });
  const busy = figure({
    title: 'Units at work over time',
    note: 'Share of all cores whose unit was busy.',
    height: 260,
    option: () => {
      const f = shared.view.time.flows;
      return {legend: {}, grid: {left: 12, right: 24, top: 36, bottom: 62, containLabel: true}, dataZoom: zoom, tooltip: tip(v => digits(v) + ' %'),
        xAxis: Object.assign({max: Math.max(...Object.values(f.rates).map(r => r.length)) * f.bin_s}, time),
        yAxis: {type: 'value', max: 100, axisLabel: {formatter: '{value} %'}},
        series: [line('matrix units', series(f, 'matrix', 100), {color: theme.colours[0], areaStyle: {opacity: .25}}),
          line('vector units', series(f, 'vector', 100), {color: theme.colours[4], lineStyle: {width: 1.5, type: 'dashed'}})]};
    },
  });
  shared.nodes.push(bandwidth, busy);
  const nodes = [bandwidth, busy];
  if (views.some(v => powerSteps(v).length)) {
    const lit = views.filter(v => powerSteps(v).length);
    nodes.push(figure({
      title: 'Power over one layer',
      note: 'Power of one chip while each kernel runs, from the events of that kernel; the same layer as above. The mean over the whole run is in the comparison.',
      height: 300,
      option: () => ({legend: {}, grid: {left: 12, right: 24, top: 36, bottom: 24, containLabel: true}, tooltip: tip(v => digits(v) + ' W'),
        xAxis: time, yAxis: {type: 'value', axisLabel: {formatter: v => v + ' W'}},
        series: lit.map((v, i) => ({name: viewName(v), type: 'line', symbol: 'none', data: powerSteps(v),
          lineStyle: {width: 2, type: i % 2 ? 'dashed' : 'solid'}}))}),
      table: {columns: [{name: 'chip'}, {name: 'phase'}, {name: 'at', unit: 's', show: v => si(v, 's')}, {name: 'power', unit: 'W'}],
        rows: lit.flatMap(v => powerSteps(v).map(p => [v.chip, v.phase, ...p]))},
    }));
  }
  return nodes;
}

/// Routers in their places, every directed link as a line as wide as it carried bytes.
function meshFigure(views) {
  const drawable = views.filter(v => v.time.links && v.time.links.bytes.length);
  if (!drawable.length) return null;
  const shared = {view: drawable[0], nodes: []};
  const node = figure({
    title: 'Traffic of the on-chip network',
    note: 'Routers in their places. The wider and darker a link, the more bytes it carried in the simulated part of the run; the two directions ' +
      'of a link lie side by side.',
    height: narrow() ? 360 : 460,
    controls: viewChoice(drawable, shared),
    option: () => {
      const {rows, cols, bytes} = shared.view.time.links;
      const most = Math.max(...bytes.map(b => b[2]), 1);
      const place = r => [r % cols, Math.floor(r / cols)];
      const links = bytes.map(([from, to, b]) => ({value: [...place(from), ...place(to), b], from, to}));
      const axis = n => ({type: 'value', min: -.5, max: n - .5, show: false});
      return {
        grid: {left: 20, right: 20, top: 10, bottom: 10},
        tooltip: {trigger: 'item', formatter: p => p.data.from === undefined ? 'router ' + p.dataIndex : 'router ' + p.data.from + ' to ' + p.data.to + '<br>' +
          si(p.data.value[4], 'B') + ', ' + percent(p.data.value[4] / most) + ' of the busiest link'},
        xAxis: axis(cols), yAxis: Object.assign({inverse: true}, axis(rows)),
        series: [
          {type: 'custom', name: 'links', data: links, encode: {x: 0, y: 1}, renderItem: (params, api) => {
            const a = api.coord([api.value(0), api.value(1)]);
            const b = api.coord([api.value(2), api.value(3)]);
            const share = api.value(4) / most;
            const length = Math.hypot(b[0] - a[0], b[1] - a[1]) || 1;
            const side = [-(b[1] - a[1]) / length * 7, (b[0] - a[0]) / length * 7];
            return {type: 'line', shape: {x1: a[0] + side[0], y1: a[1] + side[1], x2: b[0] + side[0], y2: b[1] + side[1]},
              style: {stroke: theme.colours[5], opacity: .15 + .85 * share, lineWidth: 1 + 10 * share}};
          }},
          {type: 'scatter', name: 'routers', symbol: 'rect', symbolSize: 26, itemStyle: {color: theme.panel, opacity: 1, borderColor: theme.ink, borderWidth: 1},
            label: {show: true, formatter: p => p.dataIndex, color: theme.ink, fontSize: 11},
            data: Array.from({length: rows * cols}, (_, i) => place(i))},
        ],
      };
    },
    table: {columns: [{name: 'chip'}, {name: 'phase'}, {name: 'from router'}, {name: 'to router'}, {name: 'bytes', unit: 'B', show: v => si(v, 'B')}],
      rows: drawable.flatMap(v => v.time.links.bytes.map(b => [v.chip, v.phase, ...b]))},
  });
  shared.nodes.push(node);
  return node;
}

const ROLE_COLOUR = {weights: 0, 'kv cache': 5, activations: 1, input: 4, output: 2, workspace: 3, optimizer: 7};

function memoryFigure(views) {
  const drawable = views.filter(v => v.time.memory && v.time.memory.some(m => !m.on_chip));
  if (!drawable.length) return null;
  const roles = Object.keys(ROLE_COLOUR).filter(r => drawable.some(v => v.time.memory.some(m => m.role === r && !m.on_chip)));
  const held = (v, role) => v.time.memory.filter(m => m.role === role && !m.on_chip).reduce((s, m) => s + m.bytes, 0);
  const free = v => Math.max(0, v.kept.memory_bytes - roles.reduce((s, r) => s + held(v, r), 0));
  return figure({
    title: 'What the memory of one chip holds',
    note: 'Every region that the program placed, by what it is for; the rest of the capacity is free. The table lists the regions with their addresses.',
    height: 100 + 54 * drawable.length,
    option: () => ({
      aria: {enabled: true, decal: {show: true}}, legend: {}, grid: {left: 8, right: 24, top: 36, bottom: 24, containLabel: true},
      tooltip: {trigger: 'axis', axisPointer: {type: 'shadow'}, formatter: items => '<b>' + text(items[0].name) + '</b><br>' +
        items.filter(i => i.value > 0).map(i => text(i.seriesName) + ': ' + si(i.value, 'B') + ', ' +
          percent(i.value / drawable[i.dataIndex].kept.memory_bytes)).join('<br>')},
      xAxis: {type: 'value', axisLabel: {formatter: v => si(v, 'B')}},
      yAxis: {type: 'category', inverse: true, data: drawable.map(viewName), axisLabel: {color: theme.ink, width: narrow() ? 90 : 220, overflow: 'truncate'}},
      series: [...roles.map(r => ({name: r, type: 'bar', stack: 'm', barMaxWidth: 30, itemStyle: {color: theme.colours[ROLE_COLOUR[r]]},
        data: drawable.map(v => held(v, r))})),
      {name: 'free', type: 'bar', stack: 'm', barMaxWidth: 30, itemStyle: {color: theme.line}, data: drawable.map(free)}],
    }),
    table: {columns: [{name: 'chip'}, {name: 'phase'}, {name: 'region'}, {name: 'holds'}, {name: 'where'}, {name: 'address', show: v => '0x' + v.toString(16)},
      {name: 'bytes', unit: 'B', show: v => si(v, 'B')}, {name: 'copies'}],
      rows: drawable.flatMap(v => v.time.memory.map(m => [v.chip, v.phase, m.name, m.role, m.on_chip ? 'on chip' : 'HBM', m.address, m.bytes, m.copies]))},
  });
}

function timelineSections() {
  const views = recordedViews();
  const out = [];
  const push = (id, title, nodes) => { const kept = nodes.filter(Boolean); if (kept.length) out.push([id, title, kept]); };
  push('layer', 'One layer', [layerFigure(views)]);
  push('rates', 'Over time', rateFigures(views));
  push('mesh', 'Network', [meshFigure(views)]);
  push('memory', 'Memory map', [memoryFigure(views)]);
  return out;
}
