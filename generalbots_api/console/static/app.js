// The page: who is logged in, which bots there are, one conversation, and how the service is.

import { api, onQuota } from "./api.js";
import { Conversation } from "./chat.js";

const $ = (id) => document.getElementById(id);
const LOW_QUOTA = 0.2;
const STATES = { connecting: "Connecting …", online: "Connected", offline: "Offline, trying again …", closed: "" };

let user = null;
let conversation = null;
let bot = null;
let waiting = 0;
let shown = new Map(); // by message id, and by the id that a send carried

function show(element, visible = true) {
  element.hidden = !visible;
}

function problem(error) {
  $("problem-message").textContent = error.message;
  $("problem-code").textContent = error.code ?? "";
  const details = Object.keys(error.details ?? {}).length ? JSON.stringify(error.details, null, 2) : "";
  $("problem-details").textContent = details;
  show($("problem-more"), details !== "");
  show($("problem"));
}

async function attempt(action) {
  show($("problem"), false);
  try {
    return await action();
  } catch (error) {
    if (error.status === 401 && user) loggedOut("Your session has ended. Log in again.");
    else problem(error);
    return null;
  }
}

onQuota(({ limit, remaining, reset }) => {
  const low = remaining <= limit * LOW_QUOTA;
  const time = new Date(reset * 1000).toLocaleTimeString();
  $("quota").textContent = low ? `${remaining} of ${limit} requests left until ${time}` : "";
});

function loggedOut(message) {
  conversation?.close();
  conversation = bot = user = null;
  for (const id of ["desk", "admin", "who", "logout"]) show($(id), false);
  show($("welcome"));
  if (message) problem({ message, code: "UNAUTHORIZED" });
}

async function start() {
  try {
    user = await api("GET", "api/users/me");
  } catch (error) {
    loggedOut();
    if (error.status !== 401) problem(error);
    return;
  }
  $("username").textContent = user.display_name || user.username;
  $("roles").textContent = user.roles.join(", ");
  for (const id of ["desk", "who", "logout"]) show($(id));
  await attempt(listBots);
  await checkSystem();
}

async function listBots() {
  const { bots } = await api("GET", "api/bots");
  show($("no-bots"), bots.length === 0);
  $("bots").replaceChildren(...bots.map(botItem));
  if (bots.length) await choose(bots[0]);
}

function botItem(one) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const about = document.createElement("small");
  button.type = "button";
  button.dataset.bot = one.id;
  button.append(one.name);
  about.textContent = one.status === "online" ? one.description : one.status;
  button.append(about);
  button.disabled = one.status !== "online";
  button.addEventListener("click", () => attempt(() => choose(one)));
  item.append(button);
  return item;
}

const memory = (botId) => `gb.session.${user.user_id}.${botId}`;

async function choose(one) {
  conversation?.close();
  bot = one;
  waiting = 0;
  shown = new Map();
  $("messages").replaceChildren();
  suggest([]);
  $("chat-title").textContent = one.name;
  for (const button of $("bots").querySelectorAll("button")) {
    button.setAttribute("aria-current", String(button.dataset.bot === one.id));
  }
  const kept = localStorage.getItem(memory(one.id));
  if (!kept || !(await join(kept))) await join(await newSession(one.id));
  $("content").focus();
}

async function newSession(botId) {
  const session = await api("POST", "api/session/create", { bot_id: botId });
  localStorage.setItem(memory(botId), session.session_id);
  return session.session_id;
}

/** False if there is no such session any more. */
async function join(sessionId) {
  const next = new Conversation(sessionId, { message: showMessage, problem: failed, state: showState, over: sessionOver });
  try {
    await next.open();
  } catch (error) {
    if (error.status === 404 || error.status === 403) return false;
    throw error;
  }
  conversation = next;
  for (const id of ["content", "send"]) $(id).disabled = false;
  show($("end"));
  return true;
}

function showState(state) {
  $("connection").textContent = STATES[state];
}

function showMessage(message) {
  const known = shown.get(message.message_id) ?? shown.get(message.id);
  if (known) {
    shown.set(message.message_id, known);
    return;
  }
  if (message.sender === "bot" && waiting) waiting -= 1;
  const item = addItem(message.sender, message.content || message.error?.message || "");
  item.classList.toggle("failed", message.status === "failed" || message.status === "interrupted");
  shown.set(message.message_id, item);
  if (message.sender === "bot") suggest(message.suggestions ?? []);
  showWaiting();
}

function addItem(sender, content) {
  const item = document.createElement("li");
  const from = document.createElement("span");
  item.className = sender;
  from.className = "from";
  from.textContent = sender === "user" ? "You" : bot.name;
  item.append(from, content);
  $("messages").append(item);
  $("messages").scrollTop = $("messages").scrollHeight;
  return item;
}

function failed(error, inReplyTo) {
  if (waiting) waiting -= 1;
  showWaiting();
  if (inReplyTo) addItem("bot", error.message).classList.add("failed");
  else problem(error);
}

function showWaiting() {
  show($("waiting"), waiting > 0);
}

function suggest(texts) {
  $("suggestions").replaceChildren(...texts.map((text) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.addEventListener("click", () => say(text));
    return button;
  }));
}

function say(content) {
  const id = conversation.send(content);
  shown.set(id, addItem("user", content));
  waiting += 1;
  suggest([]);
  showWaiting();
}

function sessionOver(code) {
  for (const id of ["content", "send"]) $(id).disabled = true;
  show($("end"), false);
  attempt(async () => {
    await api("GET", "api/session"); // 401 if the login is over, and then the page says so
    problem({ message: "This session has ended. Choose the bot to begin another.", code: String(code) });
  });
}

async function checkSystem() {
  let status;
  try {
    status = await api("GET", "api/admin/system/status");
  } catch (error) {
    show($("admin"), false);
    if (error.status !== 403) problem(error);
    return;
  }
  show($("admin"));
  $("overall").textContent = status.status;
  $("overall").className = `badge ${status.status}`;
  $("admin-caption").textContent = `Version ${status.version}, up since ${new Date(status.started_at).toLocaleString()}`;
  $("components").replaceChildren(...status.components.map((component) => {
    const row = document.createElement("tr");
    for (const text of [component.name, component.status, `${component.latency_ms} ms`, component.message]) {
      row.insertCell().textContent = text;
    }
    row.cells[1].className = component.status;
    return row;
  }));
}

$("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  const content = $("content").value.trim();
  if (content && conversation) say(content);
  $("content").value = "";
});
$("content").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("compose").requestSubmit();
  }
});
$("end").addEventListener("click", () => attempt(async () => {
  const ended = conversation.sessionId;
  conversation.close();
  localStorage.removeItem(memory(bot.id));
  await api("DELETE", `api/session/${encodeURIComponent(ended)}`);
  await choose(bot);
}));
$("logout").addEventListener("click", () => attempt(async () => {
  conversation?.close();
  const { logout_url: elsewhere } = await api("POST", "auth/logout");
  if (elsewhere) location.assign(elsewhere);
  else loggedOut();
}));
$("refresh").addEventListener("click", () => attempt(checkSystem));
$("problem-close").addEventListener("click", () => show($("problem"), false));
start();
