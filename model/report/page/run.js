// A run: verdict, the two machines in numbers, where the time goes, what a resource is worth.

const sidesOf = run => run.vs ? [run, run.vs] : [run];

function mainBound(bound) {
  return BOUNDS.reduce((a, b) => bound[b] > bound[a] ? b : a);
}

/// {mape, n} of the model against measured figures, where the folder has a validation.
const modelError = () => data.validation && data.validation.overall;

function verdict(run) {
  const names = sidesOf(run).map(s => s.chip);
  const lead = name => BOUND_WORDS[mainBound(name.bound)] + ' (' + percent(name.bound[mainBound(name.bound)]) + ')';
  if (!run.vs) {
    return run.chip + ' takes ' + si(run.time_s, 's') + '; most of it waits for ' + lead(run) + '.';
  }
  const ratio = run.time_s / run.vs.time_s;
  const error = modelError();
  const faster = ratio < 1;
  let words = names[0] + (faster ? ' is ' + digits(1 / ratio) + ' × as fast as ' : ' takes ' + digits(ratio) + ' × the time of ') +
    names[1] + ' on this work (' + si(run.time_s, 's') + ' against ' + si(run.vs.time_s, 's') + ') and takes ' + digits(run.energy_j / run.vs.energy_j) + ' × its energy. ' +
    names[0] + ' waits most for ' + lead(run) + ', ' + names[1] + ' for ' + lead(run.vs) + '.';
  if (error && Math.abs(Math.log(ratio)) < Math.log(1 + error.mape)) {
    words += ' The difference is smaller than the model’s mean error (' + percent(error.mape) +
      '): too close to call.';
  }
  return words;
}

function costOf(name) {
  const cost = data.cost;
  if (!cost) return null;
  if (cost.chip === name) return cost;
  return cost.vs && cost.vs.chip === name ? cost.vs : null;
}

function dollarsPerMtok(side) {
  if (side.usd_per_mtok) return side.usd_per_mtok;
  const cost = costOf(side.chip);
  if (!cost || !side.tokens_per_s) return null;
  return cost.ownership.usd_per_chip_hour.nominal * side.chips / 3600 / side.tokens_per_s * 1e6;
}

function comparison(run) {
  const sides = sidesOf(run);
  const rows = [];
  const add = (name, get, show, lower, simulated) => {
    const values = sides.map(get);
    if (values.every(v => v === null || v === undefined)) return;
    rows.push({name, values, show, lower, simulated});
  };
  const total = s => s.memory.hbm_read_bytes + s.memory.hbm_written_bytes;
  add('time', s => s.time_s, v => si(v, 's'), true, true);
  for (const phase of run.phases.length > 1 ? run.phases : []) {
    add('time of ' + phase.name, s => (s.phases.find(p => p.name === phase.name) || {}).time_s,
      v => si(v, 's'), true, true);
  }
  add('rate', s => s.tokens_per_s, v => digits(v) + ' token/s', false, true);
  add('share of peak (MFU)', s => s.mfu, percent, false, true);
  add('energy', s => s.energy_j, v => si(v, 'J'), true);
  add('energy per token', s => s.energy_per_token_j, v => si(v, 'J'), true);
  add('mean power of a chip', s => s.power_w, v => digits(v) + ' W', true);
  add('ownership per million tokens', dollarsPerMtok, dollars, true);
  add('chips', s => s.chips, v => String(v), null);
  add('making one chip', s => costOf(s.chip) && costOf(s.chip).manufacturing_usd.nominal, dollars, true);
  add('one chip with its design (NRE)', s => costOf(s.chip) && costOf(s.chip).with_nre_usd.nominal, dollars, true);
  add('HBM traffic of a chip', total, v => si(v, 'B'), true);
  const error = modelError();
  const columns = [{name: 'quantity'}];
  for (const s of sides) columns.push({name: s.chip, show: (v, row) => row.at.show(v)});
  if (run.vs) columns.push({name: 'ratio', show: v => digits(v)}, {name: 'reading', wide: true});
  const table = rows.map(row => {
    const out = [row.name, ...row.values];
    if (run.vs) {
      const ratio = row.values[1] ? row.values[0] / row.values[1] : null;
      out.push(ratio);
      const better = row.lower === null || ratio === null ? null : row.lower ? ratio < 1 : ratio > 1;
      let reading = better === null ? '' : Math.abs(ratio - 1) < .005 ? 'equal' :
        (better ? run.chip : run.vs.chip) + ' better';
      if (error && row.simulated && ratio) {
        const low = ratio / (1 + error.mape), high = ratio * (1 + error.mape);
        if (low < 1 && high > 1) reading = 'too close to call';
        reading += ', ' + digits(low) + ' to ' + digits(high) +
          ' with the model’s mean error';
      }
      out.push(reading);
    }
    out.at = row;
    return out;
  });
  return dataTable('Comparison', columns, table);
}

function provenanceRows(run) {
  const rows = [];
  for (const side of sidesOf(run)) {
    const p = side.provenance;
    rows.push([side.chip, side.system || 'one chip', side.stack, side.fidelity, p.config_hash, p.program_hash,
      p.version, p.seed, p.repeats_simulated, p.repeats_extrapolated]);
  }
  return dataTable('Provenance', [{name: 'chip'}, {name: 'system'}, {name: 'software stack'}, {name: 'tier'},
    {name: 'config hash'}, {name: 'program hash'}, {name: 'athena'}, {name: 'seed'},
    {name: 'layers simulated'}, {name: 'layers repeated'}], rows);
}

function errorTable() {
  if (!data.validation) {
    return element('p', {class: 'note'}, 'No error bars: there is no validate.json here or in the folder above. ' +
      'athena validate --json > validate.json writes one; the next report then shows how far the model is from measured figures.');
  }
  const v = data.validation;
  const row = (by, key, s) => [by, key, s.n, s.mape, s.median_ape, s.bias, s.max_ape, s.spearman];
  return element('div', {}, element('p', {}, 'The model against ' + v.overall.n + ' measured figures: mean error ' +
    percent(v.overall.mape) + ', bias ' + percent(v.overall.bias) + '.'),
    foldedTable('Model error', [{name: 'by'}, {name: 'key'}, {name: 'figures'},
      {name: 'mean error', show: percent}, {name: 'median error', show: percent}, {name: 'bias', show: percent},
      {name: 'largest', show: percent}, {name: 'rank correlation'}],
      [row('overall', '', v.overall), ...(v.groups || []).map(g => row(g.by, g.key, g.stats || g))]));
}

function boundBars(labels, shares, tipOf) {
  const used = BOUNDS.filter(b => shares.some(s => s[b] > 0.0005));
  return {
    aria: {enabled: true, decal: {show: true}},
    legend: {data: used},
    grid: {left: 8, right: 16, top: 36, bottom: 24, containLabel: true},
    tooltip: {trigger: 'axis', axisPointer: {type: 'shadow'}, formatter: items => {
      const i = items[0].dataIndex;
      return '<b>' + text(labels[i]) + '</b>' + tipOf(i) + '<br>' + BOUNDS.filter(b => shares[i][b] > 0.0005)
        .map(b => text(BOUND_WORDS[b]) + ' ' + percent(shares[i][b])).join('<br>');
    }},
    xAxis: {type: 'value', max: 100, axisLabel: {formatter: '{value} %'}},
    yAxis: {type: 'category', inverse: true, data: labels,
      axisLabel: {width: narrow() ? 110 : 260, overflow: 'truncate', color: theme.ink}},
    series: used.map(b => ({name: b, type: 'bar', stack: 'all', barMaxWidth: 26, itemStyle: {color: theme.bound(b)},
      data: shares.map(s => 100 * s[b])})),
  };
}

function phaseBars(run) {
  const items = [];
  for (const side of sidesOf(run)) {
    for (const phase of side.phases) items.push({label: side.chip + ' · ' + phase.name, time: phase.time_s, bound: phase.bound});
  }
  return figure({
    title: 'Each machine and phase',
    note: 'Shares of the critical path: what the machine waited for, adding to 100 %.',
    height: 90 + 44 * items.length,
    option: () => boundBars(items.map(i => i.label), items.map(i => i.bound), i => ' · ' + si(items[i].time, 's')),
    table: {columns: [{name: 'chip and phase'}, {name: 'time', unit: 's', show: v => si(v, 's')},
      ...BOUNDS.map(b => ({name: b, show: percent}))],
      rows: items.map(i => [i.label, i.time, ...BOUNDS.map(b => i.bound[b])])},
  });
}

function infinite(run) {
  const sides = sidesOf(run);
  const used = BOUNDS.filter(b => sides.some(s => s.bound[b] > 0.0005));
  return figure({
    title: 'If this resource were infinite',
    note: 'Time that would remain, at best: the waiting for that resource taken off the critical path. ' +
      'What hides behind it today may then come to light, so the gain is an upper limit.',
    height: 110 + 40 * used.length * sides.length / 1.4,
    option: () => ({
      legend: sides.length > 1 ? {} : undefined,
      aria: {enabled: true, decal: {show: sides.length > 1}},
      grid: {left: 8, right: 64, top: 36, bottom: 24, containLabel: true},
      tooltip: {trigger: 'axis', axisPointer: {type: 'shadow'}, formatter: items =>
        '<b>' + text('without waiting for ' + items[0].name) + '</b><br>' + items.map(i =>
          text(i.seriesName) + ': ' + si(i.value, 's')).join('<br>')},
      xAxis: {type: 'value', axisLabel: {formatter: v => si(v, 's')}},
      yAxis: {type: 'category', inverse: true, data: ['as it is', ...used.map(b => BOUND_WORDS[b])],
        axisLabel: {color: theme.ink, width: narrow() ? 90 : 180, overflow: 'truncate'}},
      series: sides.map(s => ({name: s.chip, type: 'bar', barMaxWidth: 20,
        label: {show: true, position: 'right', color: theme.soft, formatter: p => si(p.value, 's')},
        data: [s.time_s, ...used.map(b => s.time_s * (1 - s.bound[b]))]})),
    }),
    table: {columns: [{name: 'resource'}, ...sides.map(s => ({name: s.chip, unit: 's', show: v => si(v, 's')}))],
      rows: used.map(b => [BOUND_WORDS[b], ...sides.map(s => s.time_s * (1 - s.bound[b]))])},
  });
}

function runSections(run) {
  const sections = [];
  const intro = element('div', {}, element('p', {class: 'verdict'}, verdict(run)));
  intro.append(element('div', {class: 'cards'},
    [[si(run.time_s, 's'), 'time on ' + run.chip], [digits(run.tokens_per_s), 'tokens per second'],
      [percent(run.mfu), 'of the peak (MFU)'], [run.energy_per_token_j ? si(run.energy_per_token_j, 'J') : si(run.energy_j, 'J'),
        run.energy_per_token_j ? 'per token' : 'energy'],
      [dollars(dollarsPerMtok(run)), 'ownership per million tokens']]
      .map(([value, words]) => element('div', {class: 'card'}, element('b', {}, value), element('span', {}, words)))));
  intro.append(comparison(run), errorTable(), element('details', {}, element('summary', {}, 'Provenance'),
    provenanceRows(run)));
  sections.push(['verdict', 'Verdict', [intro]]);
  sections.push(['time', 'Where the time goes', [phaseBars(run), ...kernelTimeFigures(run)]]);
  sections.push(['roofline', 'Roofline', rooflineFigures(run)]);
  sections.push(...timelineSections());
  sections.push(['traffic', 'Memory traffic', trafficFigures(run)]);
  sections.push(['infinite', 'What a resource is worth', [infinite(run)]]);
  return sections;
}

function configSection() {
  const nodes = [];
  if (data.point) {
    nodes.push(element('h3', {}, 'What was asked'), element('pre', {tabindex: '0'}, JSON.stringify(data.point, null, 2)));
  }
  if (data.config) {
    nodes.push(element('h3', {}, 'The chip, every key with its effective value'),
      element('div', {class: 'bar'}, element('button', {type: 'button', onclick: () =>
        download('config.yaml', data.config, 'text/yaml')}, 'Download YAML')),
      element('pre', {tabindex: '0'}, data.config));
  }
  return nodes.length ? ['config', 'Configuration', nodes] : null;
}
