// How the service is, for administrators.

import { api } from "./api.js";

const $ = (id) => document.getElementById(id);

/** Offer the dialog to those who may see it; raises ApiError. */
export async function offerStatus() {
  try {
    await showStatus();
  } catch (error) {
    if (error.status !== 403) throw error;
    return;
  }
  $("status-open").hidden = false;
}

async function showStatus() {
  const status = await api("GET", "api/admin/system/status");
  $("overall").textContent = status.status;
  $("overall").className = `badge ${status.status}`;
  $("status-caption").textContent = `Version ${status.version}, up since ${new Date(status.started_at).toLocaleString()}`;
  $("components").replaceChildren(...status.components.map(row));
}

function row({ name, status, latency_ms: latency, message }) {
  const made = document.createElement("tr");
  for (const text of [name, status, `${latency} ms`, message]) made.insertCell().textContent = text;
  made.cells[1].className = status;
  return made;
}

/** `attempt(action)` tells of what goes wrong. */
export function wireStatus(attempt) {
  $("status-open").addEventListener("click", () => {
    $("status").showModal();
    attempt(showStatus);
  });
  $("refresh").addEventListener("click", () => attempt(showStatus));
  $("status-close").addEventListener("click", () => $("status").close());
}
