// The page: who is logged in, and the desk for whoever is.

import { api } from "./api.js";
import { delay } from "./backoff.js";
import { Desk } from "./desk.js";
import { noProblem, problem } from "./notices.js";
import { offerStatus, wireStatus } from "./status.js";

const $ = (id) => document.getElementById(id);

let desk = null;
let tries = 0;

async function attempt(action) {
  noProblem();
  try {
    await action();
  } catch (error) {
    if (error.status === 401 && desk !== null) loginOver();
    else problem(error);
  }
}

function loginOver() {
  loggedOut();
  problem({ message: "Your login has ended. Log in again; what you were writing is kept.", code: "UNAUTHORIZED" });
}

function loggedOut() {
  desk?.close();
  desk = null;
  $("status").close();
  for (const id of ["desk", "who", "logout", "menu", "status-open", "expiring"]) $(id).hidden = true;
  document.body.classList.remove("at-desk");
  $("welcome").hidden = false;
}

async function start() {
  let user;
  try {
    user = await api("GET", "api/users/me");
  } catch (error) {
    if (error.status === 401) loggedOut();
    else startLater(error);
    return;
  }
  noProblem();
  $("username").textContent = user.display_name || user.username;
  $("roles").textContent = user.roles.join(", ");
  for (const id of ["desk", "who", "logout", "menu"]) $(id).hidden = false;
  document.body.classList.add("at-desk");
  desk = new Desk(user, { over: loginOver, attempt });
  await attempt(() => desk.open());
  await attempt(offerStatus);
}

/** The server is away or busy, which says nothing about the login. */
function startLater(error) {
  problem(error);
  tries += 1;
  setTimeout(start, delay(tries, error.retryAfter));
}

function logOut() {
  return attempt(async () => {
    const { logout_url: elsewhere } = await api("POST", "auth/logout");
    desk?.forget();
    if (elsewhere) location.assign(elsewhere);
    else loggedOut();
  });
}

$("logout").addEventListener("click", logOut);
$("menu").addEventListener("click", () => showSide($("menu").getAttribute("aria-expanded") !== "true"));
$("side").addEventListener("click", (event) => event.target.closest("li button") && showSide(false));
$("side").addEventListener("keydown", (event) => event.key === "Escape" && showSide(false));

/** On a narrow screen the lists are in the place of the chat, while they are open. */
function showSide(isShown) {
  $("menu").setAttribute("aria-expanded", String(isShown));
  $("desk").classList.toggle("choosing", isShown);
}

wireStatus(attempt);
start();
