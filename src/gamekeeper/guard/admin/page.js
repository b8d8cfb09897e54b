"use strict";
/* The live page. Text that others wrote reaches it only through `textContent` and attributes that contain no code. */

const STEERING = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
const ACTIONS = {
  pass: "answered in full", delay: "delayed", throttle: "refused as too frequent", withhold: "answered in part",
  challenge: "asked for a proof", deny: "refused as suspended", budget: "over budget",
  unavailable: "refused: no store", refused: "refused before judging",
};
const DOES = {
  watch: "is watched; nothing changes for its accounts",
  slow: "is slowed: its requests are delayed, or refused when there are too many",
  limit: "is limited: its requests are delayed, and what helps a thief most is withheld from answers",
  challenge: "must send a proof before it is answered",
  deny: "is refused",
};
const WOULD = {
  slow: "would be slowed: its requests would be delayed, or refused when there are too many",
  limit: "would be limited: its requests would be delayed, and what helps a thief most would be withheld from answers",
  challenge: "would have to send a proof before it is answered",
  deny: "would be refused",
};
const FAMILIES = {
  content: "what the prompts are about", shape: "how the prompts are built",
  elicitation: "what the prompts try to get from the model", rhythm: "when the exchanges happen",
  schedule: "which account is used next", infrastructure: "networks, cards and clients in common", coverage: "how evenly a subject is covered",
  pivot: "moving to another model or subject together",
};
const KINDS = {
  decision: "decided", "decision-ended": "ended", "decision-lifted": "lifted", campaign: "campaign",
  "campaign-joined": "joined", actions: "actions", "guard-started": "guard started", "guard-stopped": "guard stopped",
};
const QUARTER_S = 900, NAMES_SHOWN = 60, READINGS_SHOWN = 8, RECORD_SHOWN = 12;

const state = { token: "", summary: null, off: 0, campaigns: null, decisions: null, points: [], seen: null, open: new Map(), lifting: null };
const $ = (id) => document.getElementById(id);

/* ---- words ---- */
const visible = (text) => String(text).replace(STEERING, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
const whole = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const count = (n) => whole.format(n);
const counted = (n, noun) => `${n ? count(n) : "no"} ${noun}${n === 1 ? "" : "s"}`;
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const now = () => Date.now() / 1000 + state.off;

function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  if (s < 172800) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} days`;
}

function rank(p) {
  if (p === null) return "It was not ranked against ordinary groups";
  const one = Math.round(1 / p);
  const share = p <= 0 ? "none" : one >= 2 ? `at most 1 in ${count(one)}` : `${Math.round(p * 100)} %`;
  return `Among ordinary groups with similar activity, ${share} ${one >= 2 ? "has" : "have"} evidence at least as strong`;
}

function measure(value) {
  if (value === null || value === undefined) return "not measured";
  return Math.abs(value) >= 100 ? count(value) : String(Number(value.toPrecision(3)));
}

/* ---- elements ---- */
function h(tag, props, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (name === "on") for (const [kind, does] of Object.entries(value)) made.addEventListener(kind, does);
    else if (name === "data") Object.assign(made.dataset, value);
    else if (name === "class") made.className = value;
    else if (value !== null) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined).map((c) => (c instanceof Node ? c : visible(c))));
  return made;
}
const pill = (verdict) => h("span", { class: "pill", data: { verdict } }, verdict);
const chips = (families) => h("p", { class: "chips" }, families.map((f) => h("span", { class: "chip", title: FAMILIES[f] || null, data: { family: f } }, f)));
const list = (lines, none) => h("ul", {}, lines.length ? lines.map((line) => h("li", {}, line)) : h("li", { class: "quiet" }, none));
/* A time that is shown relative to now; a timer updates it. */
const since = (at, form) => { const made = h("span", { title: new Date(at * 1000).toISOString(), data: { at, form } }); age(made); return made; };
const FORMS = {
  ago: (s) => `${span(-s)} ago`, ends: (s) => (s > 0 ? `in ${span(s)}` : "ending"),
};
function age(made) { made.textContent = FORMS[made.dataset.form](Number(made.dataset.at) - now()); }

/* Puts new content in a place; what was focused stays focused. */
function fill(place, ...children) {
  const focused = document.activeElement && place.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  place.replaceChildren(...children.flat());
  if (focused) { const again = [...place.querySelectorAll("[data-key]")].find((e) => e.dataset.key === focused); if (again) again.focus(); }
}

let noticeTimer = 0;
function notify(text) {
  clearTimeout(noticeTimer);
  $("notice").textContent = visible(text);
  noticeTimer = setTimeout(() => { $("notice").textContent = ""; }, 8000);
}

/* ---- the API ---- */
class Failed extends Error {}
async function call(path, options = {}) {
  const headers = { authorization: `Bearer ${state.token}`, ...(options.body ? { "content-type": "application/json" } : {}) };
  const answer = await fetch(path, { ...options, headers, credentials: "omit", redirect: "error" });
  if (answer.status === 401) { lock("This is not the token of this guard."); throw new Failed("the token is wrong"); }
  if (!answer.ok) {
    const body = await answer.json().catch(() => null);
    throw Object.assign(new Failed(body && body.error ? body.error.message : `the guard answered ${answer.status}`), { status: answer.status });
  }
  return answer;
}
const get = async (path) => (await call(path)).json();

/* ---- the token ---- */
function lock(why) {
  state.token = "";
  sessionStorage.removeItem("token");
  $("open").hidden = true;
  $("lost").hidden = true;
  $("locked").hidden = false;
  $("wrong").textContent = why || "";
  $("token").focus();
}
function takeToken() {
  const found = new URLSearchParams(location.hash.slice(1)).get("token");
  if (found) {
    sessionStorage.setItem("token", found);
    history.replaceState(null, "", location.pathname);  // it must not stay in the address bar
  }
  return found || sessionStorage.getItem("token") || "";
}

/* ---- state of the guard ---- */
function drawSummary() {
  const s = state.summary, dry = !s.enforce;
  document.body.classList.toggle("enforcing", s.enforce);
  $("mode").textContent = dry ? "Dry run" : "Enforcing";
  $("mode").className = dry ? "mode" : "mode enforcing";
  const campaigns = s.campaigns ? `${capital(counted(s.campaigns, "campaign"))} with ${counted(s.campaign_accounts, "account")} found` : "No campaign found";
  $("headline").textContent = campaigns;
  document.title = `${s.campaigns ? `(${s.campaigns}) ` : ""}${campaigns} - gamekeeper`;
  $("lead").textContent = dry
    ? "This is a dry run: nothing is slowed, withheld or refused because of a verdict. This page shows what would have been done. Keys, scopes and budgets are enforced."
    : `Verdicts are enforced. The guard alone decides at most "${s.highest}"; people can decide more, and lift decisions that are wrong.`;
  $("rate").textContent = `${measure(s.requests_per_s)} a second`;
  $("exchanges").textContent = `${counted(s.exchanges, "exchange")} since the start`;
  good("store", s.store_up, "reachable", "not reachable");
  $("store-more").textContent = s.store_up ? `${counted(s.decisions, "decision")} in force` : s.when_gone === "open" ? "requests pass until it is back" : "requests are refused until it is back";
  good("watching", s.watching, "running", "not running");
  $("watching-more").textContent = s.unwatched ? `${counted(s.unwatched, "exchange")} not examined` : s.watching ? "every exchange is examined" : "it is restarted by itself";
  fill($("pass"), s.last_pass ? since(s.last_pass, "ago") : "none yet");
  const next = s.next_pass - now();
  $("pass-more").textContent = (s.last_pass ? `took ${span(s.last_pass_s)}; ` : "") + (next > 0 ? `next in ${span(next)}` : "next when there is new traffic");
  $("report").hidden = !s.has_report;
  $("foot").textContent = `gamekeeper ${s.version}. Decisions of the guard are in force for ${measure(s.hours)} h and are renewed while their reasons hold. Times are in the time zone of this browser.`;
}
function good(id, is, yes, no) { $(id).textContent = is ? yes : no; $(id).classList.toggle("ill", !is); }

/* ---- campaigns ---- */
function noCampaign() {
  const s = state.summary, next = s.next_pass - now();
  const when = s.last_pass
    ? `The last pass over recent traffic found none; the next one ${next > 0 ? `runs in ${span(next)}` : "runs when there is new traffic"}.`
    : !s.watching ? "The process that searches for campaigns is not running yet."
    : s.exchanges < s.exchanges_wanted ? `The first pass runs ${next > 0 ? `in ${span(next)}, ` : ""}once there are ${s.exchanges_wanted} exchanges; so far there are ${count(s.exchanges)}.`
    : `The first pass runs ${next > 0 ? `in ${span(next)}` : "now"}.`;
  return h("p", { class: "empty" }, h("b", {}, "No campaign yet"), when, " A campaign that is found appears here by itself, with the evidence and with innocent explanations.");
}

function effect(decision) {
  const acts = decision.verdict !== "watch";
  if (!state.summary.enforce && acts) return `Dry run: nothing is done. Enforced, it ${WOULD[decision.verdict]}.`;
  return `It ${DOES[decision.verdict]}.`;
}

function drawCampaigns() {
  const known = state.seen;
  state.seen = new Set(state.campaigns.map((c) => c.id));
  const fresh = known ? state.campaigns.filter((c) => !known.has(c.id)) : [];
  fill($("campaigns"), state.campaigns.length ? state.campaigns.map((c) => card(c, fresh.includes(c))) : noCampaign());
  if (fresh.length) notify(fresh.map((c) => `Campaign ${c.id} appeared: ${counted(c.accounts, "account")}.`).join(" "));
}

function card(c, isNew) {
  const top = c.decisions[0];
  return h("article", { class: isNew ? "card new" : "card", "aria-labelledby": `c-${c.id}`, data: { campaign: c.id } },
    h("h3", {}, h("span", { id: `c-${c.id}` }, `Campaign ${c.id}`), pill(c.verdict)),
    h("p", { class: "sum" }, h("b", {}, counted(c.accounts, "account")), ` with ${counted(c.exchanges, "exchange")}, found `, since(c.found, "ago"), ", last confirmed by a pass ", since(c.last_found, "ago"), `. ${rank(c.p_benign)}`, c.p_benign === null ? "." : ` (p_benign ${measure(c.p_benign)}).`),
    h("p", { class: "would" }, top ? [effect(top), " The decision ends ", since(top.until, "ends"), " unless its reasons still hold. ", lifter(top, `c-lift-${top.id}`)] : "No decision about it is in force: it was lifted or has ended, or the evidence is not sufficient for one."),
    h("div", { class: "pair" },
      h("div", { class: "panel" }, h("h4", {}, "Why"), list(c.reasons, "No reason was recorded."), chips(c.families)),
      h("div", { class: "panel innocent" }, h("h4", {}, "What an innocent explanation would look like"), list(c.innocent, "None was recorded."))),
    c.pivot ? h("p", { class: "sum" }, h("b", {}, "Moved together: "), c.pivot, ".") : null,
    c.joined_accounts ? joinedLine(c) : null,
    members(c));
}

function joinedLine(c) {
  const shown = c.joined.slice(0, 6).map((j, i) => [i ? ", " : "", namer(j.account, `j-${c.id}-${j.account}`), " ", since(j.at, "ago")]);
  const rest = c.joined_accounts - Math.min(6, c.joined.length);
  return h("p", { class: "sum" }, h("b", {}, `${capital(counted(c.joined_accounts, "account"))} joined by their opening: watched`), ", because they use its template; a pass that finds them by their own evidence makes them members: ", ...shown.flat(), rest > 0 ? `, and ${count(rest)} more` : "", ".");
}

const namer = (account, key) => h("button", { type: "button", class: "link", title: "Show why", data: { key }, on: { click: () => lookUp(account) } }, account);
const lifter = (decision, key) => h("button", { type: "button", class: "link", "aria-haspopup": "dialog", data: { key }, on: { click: () => openLift(decision) } }, "Lift it");

function members(c) {
  const inside = h("div", { class: "more" });
  const held = state.open.get(c.id);
  const made = h("details", {}, h("summary", { data: { key: `m-${c.id}` } }, "Members, readings and example exchanges"), inside);
  const show = (whole) => fill(inside, named(whole), evidence(whole.evidence, "The last pass recorded no readings of it."));
  const load = async () => {
    try { const whole = await get(`/api/campaigns/${encodeURIComponent(c.id)}?limit=${NAMES_SHOWN}`); state.open.set(c.id, whole); show(whole); }
    catch (error) { if (error instanceof Failed) fill(inside, h("p", { class: "fault" }, error.message)); }
  };
  if (held) { made.open = true; show(held); }
  made.addEventListener("toggle", () => { if (!made.open) state.open.delete(c.id); else load(); });
  return made;
}

function named(whole) {
  const more = whole.accounts - whole.members.length;
  return h("div", {}, h("h4", {}, "Members"), h("ul", { class: "names" },
    whole.members.map((name) => h("li", {}, namer(name, `n-${whole.id}-${name}`))),
    more > 0 ? h("li", { class: "quiet" }, `and ${count(more)} more`) : null));
}

function evidence(found, none) {
  if (!found) return h("p", { class: "note" }, none);
  const readings = found.readings.filter((r) => r.value !== null).slice(0, READINGS_SHOWN);
  return h("div", { class: "more" },
    readings.length ? h("div", {}, h("h4", {}, "Readings, the strongest first"), h("ul", { class: "measured" }, readings.map(reading))) : null,
    found.examples.length ? h("div", {}, h("h4", {}, "Example exchanges"), found.redacted ? h("p", { class: "note" }, "This guard stores no prompts.") : null, h("ol", { class: "examples" }, found.examples.map(example))) : null);
}
function reading(r) {
  const ordinary = r.ordinary === null ? "" : `; ordinary groups ${measure(r.ordinary)}, the highest in twenty ${measure(r.ordinary_high)}`;
  return h("li", {}, h("span", { class: "chip", data: { family: r.family } }, `${r.family} ${r.signal}`), h("span", {}, `: ${r.says || ""}`), h("small", {}, `${measure(r.value)} ${r.unit || ""}${ordinary}; p_value ${measure(r.p_value)}`));
}
function example(e) {
  const about = [e.account, e.time && new Date(e.time).toLocaleString(), e.model].filter(Boolean).map(visible).join(" · ");
  return h("li", {}, h("p", { class: "about" }, about), e.system ? h("p", { class: "prompt system" }, e.system) : null, e.prompt === null ? null : h("p", { class: "prompt" }, e.prompt));
}

/* ---- decisions ---- */
function drawDecisions() {
  if (!state.decisions.length) {
    fill($("decisions"), h("p", { class: "empty" }, h("b", {}, "No decision holds"), "When a campaign is found, the decisions about it appear here, with their reasons, who decided, and when they end."));
    return;
  }
  const head = ["Subject", "Verdict", "Reason", "Decided by", "Ends", ""].map((name) => h("th", { scope: "col" }, name || h("span", { class: "quiet" }, "")));
  fill($("decisions"), h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, state.decisions.map(row)))));
}
function row(d) {
  const [kind, name] = [d.subject.slice(0, d.subject.indexOf(":")), d.subject.slice(d.subject.indexOf(":") + 1)];
  const whom = kind === "account" ? namer(name, `w-${d.id}`) : `Campaign ${name}`;
  const rest = d.reasons.length - 1;
  return h("tr", { data: { decision: d.id } },
    h("th", { scope: "row" }, whom, h("small", {}, kind === "account" ? "account" : counted(d.accounts, "account"))),
    h("td", {}, pill(d.verdict), h("small", {}, d.is_enforced || d.verdict === "watch" ? "" : "not enforced: dry run")),
    h("td", { class: "why" }, d.reasons[0] || "", h("small", {}, rest > 0 ? `and ${rest} more ${rest === 1 ? "reason" : "reasons"}` : "")),
    h("td", { class: "by" }, d.by, h("small", {}, since(d.since, "ago"))),
    h("td", { class: "ends" }, since(d.until, "ends")),
    h("td", {}, h("button", { type: "button", class: "plain", "aria-haspopup": "dialog", "aria-label": visible(`Lift the decision about ${d.subject}`), data: { key: `l-${d.id}` }, on: { click: () => openLift(d) } }, "Lift")));
}

function openLift(d) {
  state.lifting = d;
  $("lift-title").textContent = visible(`Lift "${d.verdict}" for ${d.subject.replace(":", " ")}?`);
  $("lift-what").textContent = `${capital(counted(d.accounts, "account"))} ${d.accounts === 1 ? "is" : "are"} unrestricted at once, and the guard makes no decision about this ${d.subject.split(":")[0]} for weeks. All decisions about it are lifted.`;
  $("lift-fault").textContent = "";
  $("why").value = "";
  $("by").value = sessionStorage.getItem("by") || "";
  $("lift").showModal();
  $("why").focus();
}

async function lift(event) {
  event.preventDefault();
  const d = state.lifting, by = $("by").value.trim(), why = $("why").value.trim();
  if (!by || !why) { $("lift-fault").textContent = "Give a reason and your name."; return; }
  sessionStorage.setItem("by", by);
  try {
    await call(`/api/decisions/${encodeURIComponent(d.id)}?${new URLSearchParams({ why, by })}`, { method: "DELETE" });
    $("lift").close();
    await refresh(["summary", "campaigns", "decisions", "record"]);
    notify(`The decision about ${d.subject.replace(":", " ")} is lifted.`);
  } catch (error) { $("lift-fault").textContent = failure(error); }
}

async function decide(event) {
  event.preventDefault();
  const order = { subject: $("d-subject").value.trim(), verdict: $("d-verdict").value, hours: Number($("d-hours").value), reasons: [$("d-why").value.trim()], by: $("d-by").value.trim() };
  sessionStorage.setItem("by", order.by);
  try {
    const made = await (await call("/api/decisions", { method: "POST", body: JSON.stringify(order) })).json();
    $("decide-fault").textContent = "";
    $("d-why").value = "";
    $("deciding").open = false;
    await refresh(["summary", "campaigns", "decisions", "record"]);
    notify(made.is_new ? `Decided: ${order.verdict} for ${order.subject.replace(":", " ")}.` : "That decision was in force already; its end was moved.");
  } catch (error) { $("decide-fault").textContent = failure(error); }
}
const failure = (error) => visible(error instanceof Failed ? capital(error.message) : "The guard does not answer; try again.");

/* ---- one account ---- */
async function lookUp(account) {
  $("account").value = account;
  $("account-title").scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  try { drawAccount(await get(`/api/accounts/${encodeURIComponent(account)}`)); }
  catch (error) {
    if (!(error instanceof Failed)) return fill($("known"), h("p", { class: "fault" }, failure(error)));
    const none = error.status === 404 ? "Nothing is known about it: no decision is in force, it belongs to no campaign, and it spent nothing today." : error.message;
    fill($("known"), h("p", { class: "empty" }, h("b", {}, account), none));
  }
}
function drawAccount(a) {
  const spent = a.spent_today;
  const spends = [counted(spent.requests, "request"), counted(spent.tokens, "token"), spent.usd ? `${measure(spent.usd)} dollars` : null, spent.cells ? `${counted(spent.cells, "cell")} of new ground` : null].filter(Boolean).join(", ");
  fill($("known"), h("article", { class: "card", "aria-label": visible(`Account ${a.account}`) },
    h("h3", {}, a.account, pill(a.holds ? a.holds.verdict : "allow")),
    h("p", { class: "sum" }, `Today (UTC) it spent ${spends}. `, a.campaign ? `It belongs to campaign ${a.campaign}` : "It belongs to no campaign", a.joined_at ? [", which it joined by its opening ", since(a.joined_at, "ago"), ": watched"] : null, "."),
    h("p", { class: "would" }, `${capital(a.would)}.`, a.holds ? [` How it ends: ${a.holds.way_back}. `, lifter(a.holds, `a-lift-${a.holds.id}`)] : null),
    a.holds ? h("div", { class: "pair" },
      h("div", { class: "panel" }, h("h4", {}, `Why, decided by ${visible(a.holds.by)}`), list(a.holds.reasons, "No reason was recorded.")),
      h("div", { class: "panel innocent" }, h("h4", {}, "What an innocent explanation would look like"), list(a.holds.innocent, "None was recorded."))) : null,
    evidence(a.evidence, "The last pass recorded no readings of this account.")));
}

/* ---- traffic ---- */
const SVG = "http://www.w3.org/2000/svg";
function g(tag, props, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
/* Parts of one point, from the bottom up: [key, action, is it only what would have been done, requests]. */
function parts(point) {
  const would = Object.entries(point.would).filter(([a]) => a !== "pass");
  const held = would.reduce((sum, [, n]) => sum + n, 0);
  const done = Object.keys(ACTIONS).filter((a) => a !== "pass" && a !== "refused").map((a) => [a, a, false, point.actions[a] || 0]);
  return [["pass", "pass", false, Math.max(0, (point.actions.pass || 0) - held)], ...would.map(([a, n]) => [`would-${a}`, a, true, n]), ...done, ["refused", "refused", false, point.refused]].filter(([, , , n]) => n > 0);
}
function niceTop(value) {
  const base = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((m) => m * base).find((top) => top >= value);
}
function drawTraffic() {
  const place = $("chart"), width = place.clientWidth, height = place.clientHeight;
  if (!width) return;
  const left = 44, bottom = 22, top = 8, end = Math.max(now(), state.points.at(-1)?.at ?? 0), points = state.points.filter((p) => p.at > end - QUARTER_S);
  const sums = new Map();
  let most = 0;
  for (const p of points) {
    let all = 0;
    for (const [key, action, would, n] of parts(p)) { all += n; sums.set(key, { action, would, n: (sums.get(key)?.n || 0) + n }); }
    most = Math.max(most, all / p.seconds);
  }
  const high = niceTop(Math.max(most, 1)), y = (v) => top + (height - top - bottom) * (1 - v / high), x = (at) => left + (width - left) * (1 - (end - at) / QUARTER_S);
  const total = [...sums.values()].reduce((sum, s) => sum + s.n, 0);
  const svg = g("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${capital(counted(total, "request"))} in the last 15 minutes, at most ${measure(most)} a second. ${legendWords(sums)}` });
  for (const v of [0, high / 2, high]) svg.append(g("line", { class: "grid", x1: left, x2: width, y1: y(v), y2: y(v) }), g("text", { x: left - 8, y: y(v) + 4, "text-anchor": "end" }, measure(v)));
  for (const min of width < 480 ? [15, 5] : [15, 10, 5]) svg.append(g("text", { x: x(end - min * 60), y: height - 4, "text-anchor": min === 15 ? "start" : "middle" }, `${min} min ago`));
  svg.append(g("text", { x: width, y: height - 4, "text-anchor": "end" }, "now"), g("text", { x: left + 4, y: top + 12 }, "requests a second"));
  const fade = g("pattern", { id: "would", width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
  fade.append(g("rect", { width: 5, height: 5, fill: "#fff" }), g("rect", { width: 2, height: 5, fill: "#555" }));
  const mask = g("mask", { id: "hatch" });
  mask.append(g("rect", { width, height, fill: "url(#would)" }));
  svg.append(fade, mask);
  for (const p of points) {
    let base = 0;
    const from = Math.max(left, x(p.at - p.seconds)), wide = Math.max(0.5, x(p.at) - from - 0.6);
    for (const [, action, would, n] of parts(p)) {
      const next = base + n / p.seconds;
      svg.append(g("rect", { class: `a-${action}`, x: from, width: wide, y: y(next), height: Math.max(0.5, y(base) - y(next)), ...(would ? { mask: "url(#hatch)" } : {}) }));
      base = next;
    }
  }
  place.replaceChildren(svg);
  drawLegend(sums);
}
const legendWords = (sums) => [...sums.values()].map((s) => `${count(s.n)} ${s.would ? "would have been " : ""}${ACTIONS[s.action] || s.action}`).join(", ");
function drawLegend(sums) {
  if (!sums.size) { fill($("legend"), h("span", { class: "quiet" }, "No request in the last 15 minutes. Each new one appears here within seconds, by what was done with it.")); return; }
  fill($("legend"), [...sums.values()].map((s) => h("span", {}, h("i", { class: `key a-${s.action}` }), h("b", {}, count(s.n)), ` ${s.would ? "would have been " : ""}${ACTIONS[s.action] || s.action}`)), h("span", { class: "quiet" }, "in the last 15 minutes"));
}

/* ---- casebook ---- */
function drawRecord(book) {
  $("head").textContent = `The casebook has ${counted(book.head.size, "line")}; its root hash is ${book.head.root.slice(0, 16)}…. gamekeeper verify checks it.`;
  fill($("record"), book.entries.slice(0, RECORD_SHOWN).map((e) => h("li", {}, h("time", { datetime: e.time }, new Date(e.time).toLocaleString()), h("span", {}, KINDS[e.kind] || e.kind), h("span", {}, about(e)))));
}
function about(e) {
  const b = e.body;
  if (e.kind === "decision") return `${e.subject}: ${b.verdict} by ${b.by}: ${(b.reasons || [])[0] || ""}`;
  if (e.kind === "decision-lifted") return `${e.subject}: ${b.by ? `by ${b.by}: ${b.why}` : b.id}`;
  if (e.kind === "campaign") return `${e.subject}: ${b.accounts} accounts, ${b.verdict}`;
  if (e.kind === "campaign-joined") return `${b.account} to ${e.subject}, watched`;
  if (e.kind === "actions") return `${(b.actions || []).map((a) => `${a.action} ${a.requests} of ${a.account}`).slice(0, 3).join(", ")}${b.enforced ? "" : " (dry run)"}`;
  if (e.kind === "guard-started") return b.enforce ? "enforcing" : "dry run";
  return e.subject;
}

/* ---- keeping up ---- */
const READ = {
  summary: async () => { state.summary = await get("/api/summary"); state.off = state.summary.now - Date.now() / 1000; drawSummary(); },
  campaigns: async () => { state.campaigns = (await get("/api/campaigns")).campaigns; drawCampaigns(); },
  decisions: async () => { state.decisions = (await get("/api/decisions")).decisions; drawDecisions(); },
  traffic: async () => { state.points = (await get("/api/traffic")).points; drawTraffic(); },
  record: async () => drawRecord(await get("/api/casebook")),
};
async function refresh(names) {
  if (names.includes("summary")) await READ.summary();
  await Promise.all(names.filter((name) => name !== "summary").map((name) => READ[name]()));
}

async function listen() {
  for (let wait = 1000; state.token; wait = Math.min(wait * 2, 15000)) {
    try {
      const answer = await call("/api/events");
      await refresh(["summary", "campaigns", "decisions", "traffic", "record"]);
      $("lost").hidden = true;
      wait = 1000;
      await follow(answer.body.getReader());
    } catch (error) { if (!state.token) return; }
    $("lost").hidden = false;
    await new Promise((done) => setTimeout(done, wait));
  }
}
async function follow(reader) {
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + decoder.decode(value, { stream: true })).split("\n\n");
    rest = events.pop();
    for (const event of events) dispatch(event);
  }
}
function dispatch(event) {
  const field = (name) => (event.split("\n").find((line) => line.startsWith(`${name}: `)) || "").slice(name.length + 2);
  const kind = field("event");
  if (!kind) return;
  const data = JSON.parse(field("data"));
  if (kind === "traffic") { state.points.push(data); state.points = state.points.slice(-400); drawTraffic(); READ.summary().catch(() => {}); }
  if (kind === "changed") refresh([...new Set([...data, "summary", "record"])]).catch(() => {});
}

setInterval(() => {
  if (!state.summary || $("open").hidden) return;
  drawSummary();
  drawTraffic();
  if (state.campaigns && !state.campaigns.length) drawCampaigns();
  document.querySelectorAll("[data-at]").forEach(age);
}, 5000);
new ResizeObserver(() => { if (state.summary) drawTraffic(); }).observe($("chart"));

async function begin() {
  if (!state.token) return lock("");
  $("locked").hidden = true;
  $("open").hidden = false;
  $("d-by").value = sessionStorage.getItem("by") || "";
  await listen();
}
$("unlock").addEventListener("submit", (event) => {
  event.preventDefault();
  state.token = $("token").value.trim();
  sessionStorage.setItem("token", state.token);
  $("token").value = "";
  begin();
});
$("look").addEventListener("submit", (event) => { event.preventDefault(); lookUp($("account").value.trim()); });
$("lifting").addEventListener("submit", lift);
$("decide").addEventListener("submit", decide);
$("cancel").addEventListener("click", () => $("lift").close());
$("report").addEventListener("click", async () => {
  try { const { ticket } = await (await call("/api/tickets", { method: "POST" })).json(); window.open(`/report?ticket=${encodeURIComponent(ticket)}`, "_blank", "noopener"); }
  catch (error) { notify(failure(error)); }
});
window.addEventListener("hashchange", () => { if (location.hash.startsWith("#token=")) { state.token = takeToken(); begin(); } });
state.token = takeToken();
begin();
