// The back end, always under the page's own origin: nginx or the ingress in front knows where it is.
const TOKEN = 'happy-tails-token';

export const token = {
  get: () => localStorage.getItem(TOKEN),
  set: (value) => (value ? localStorage.setItem(TOKEN, value) : localStorage.removeItem(TOKEN)),
};

export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

// Told when the server does not take our token any more.
let onRefused = () => {};
export const whenRefused = (listener) => {
  onRefused = listener;
};

const PATIENCE_MS = 20000;

export async function call(method, path, body) {
  const headers = {};
  const sent = token.get();
  if (body) headers['Content-Type'] = 'application/json';
  if (sent) headers.Authorization = `Bearer ${sent}`;
  let response;
  try {
    const signal = AbortSignal.timeout?.(PATIENCE_MS);
    response = await fetch(`/api${path}`, { method, headers, body: body && JSON.stringify(body), signal });
  } catch {
    throw new ApiError(0, 'network', 'We cannot reach the shelter right now. Please try again in a moment.');
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    const { code = 'unknown', message = 'Something went wrong on our side. Please try again in a moment.' } =
      answer.error ?? {};
    if (response.status === 401 && code !== 'credentials' && sent && sent === token.get()) {
      token.set(null);
      onRefused();
    }
    throw new ApiError(response.status, code, message);
  }
  return answer;
}

export const api = {
  pets: (filters) => call('GET', `/pets?${new URLSearchParams(filters)}`),
  pet: (id) => call('GET', `/pets/${encodeURIComponent(id)}`),
  signUp: (who) => call('POST', '/auth/signup', who),
  logIn: (who) => call('POST', '/auth/login', who),
  me: () => call('GET', '/auth/me'),
  apply: (application) => call('POST', '/applications', application),
  applications: () => call('GET', '/applications'),
  withdraw: (id) => call('DELETE', `/applications/${id}`),
};
