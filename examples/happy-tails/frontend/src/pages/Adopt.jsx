import { useState } from 'react';
import { Navigate, useNavigate, useParams } from 'react-router-dom';

import { api } from '../api.js';
import { useSession } from '../session.jsx';
import { usePet } from './Pet.jsx';

export default function Adopt() {
  const { id } = useParams();
  const { user, known } = useSession();
  const [pet, loadError] = usePet(id);
  const [form, setForm] = useState({ message: '', phone: '' });
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const go = useNavigate();

  if (known && !user) return <Navigate to={`/login?next=/pets/${id}/adopt`} replace />;
  if (loadError) return <p className="error">{loadError}</p>;
  if (!pet) return <p>Loading…</p>;

  const submit = async (e) => {
    e.preventDefault();
    setBusy(true);
    try {
      await api.apply({ petId: pet.id, ...form });
      go('/applications?filed=1');
    } catch (problem) {
      setError(problem.message);
      setBusy(false);
    }
  };

  return (
    <form className="form" onSubmit={submit}>
      <h1>A home for {pet.name}</h1>
      <label>
        Tell us about your home and why {pet.name} would be happy there
        <textarea
          name="message"
          rows="6"
          required
          minLength="10"
          value={form.message}
          onChange={(e) => setForm({ ...form, message: e.target.value })}
        />
      </label>
      <label>
        Phone (optional)
        <input
          name="phone"
          type="tel"
          maxLength="40"
          value={form.phone}
          onChange={(e) => setForm({ ...form, phone: e.target.value })}
        />
      </label>
      {error && <p className="error">{error}</p>}
      <button type="submit" disabled={busy} id="file-application">
        Send the application
      </button>
    </form>
  );
}
