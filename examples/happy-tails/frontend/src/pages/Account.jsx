// The form that sign-up and log-in share.
import { useState } from 'react';
import { useNavigate, useSearchParams } from 'react-router-dom';

import { Problem, Title } from '../page.jsx';
import { useSession } from '../session.jsx';

// A page of our own only: never somewhere else after a log-in.
const safe = (next) => (next && /^\/(?![/\\])/.test(next) ? next : '/');

export default function Account({ title, fields, action, send, children }) {
  const { enter } = useSession();
  const [form, setForm] = useState({});
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const [params] = useSearchParams();
  const go = useNavigate();

  const submit = async (e) => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    try {
      enter(await send(form));
      go(safe(params.get('next')), { replace: true });
    } catch (problem) {
      setError(problem.message);
      setBusy(false);
    }
  };

  return (
    <form className="form panel" onSubmit={submit}>
      <Title>{title}</Title>
      {fields.map(({ label, hint, ...input }) => (
        <label key={input.name}>
          {label}
          <input
            {...input}
            required
            aria-describedby={hint && `${input.name}-hint`}
            value={form[input.name] ?? ''}
            onChange={(e) => setForm({ ...form, [input.name]: e.target.value })}
          />
          {hint && (
            <span className="dim" id={`${input.name}-hint`}>
              {hint}
            </span>
          )}
        </label>
      ))}
      {error && <Problem>{error}</Problem>}
      <button type="submit" disabled={busy} id="submit">
        {action}
      </button>
      {children}
    </form>
  );
}
