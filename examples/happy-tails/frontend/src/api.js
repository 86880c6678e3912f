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

export async function call(method, path, body) {
  const headers = {};
  if (body) headers['Content-Type'] = 'application/json';
  if (token.get()) headers.Authorization = `Bearer ${token.get()}`;
  let response;
  try {
    response = await fetch(`/api${path}`, { method, headers, body: body && JSON.stringify(body) });
  } catch {
    throw new ApiError(0, 'network', 'The server cannot be reached. Please try again.');
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    const { code = 'unknown', message = `The server answered ${response.status}.` } = answer.error ?? {};
    throw new ApiError(response.status, code, message);
  }
  return answer;
}

export const api = {
  pets: (filters) => call('GET', `/pets?${new URLSearchParams(filters)}`),
  pet: (id) => call('GET', `/pets/${id}`),
  signUp: (who) => call('POST', '/auth/signup', who),
  logIn: (who) => call('POST', '/auth/login', who),
  me: () => call('GET', '/auth/me'),
  apply: (application) => call('POST', '/applications', application),
  applications: () => call('GET', '/applications'),
  withdraw: (id) => call('DELETE', `/applications/${id}`),
};
