import { useState } from 'react';
import { Link, Navigate, useNavigate, useParams } from 'react-router-dom';

import Portrait from '../Portrait.jsx';
import { api } from '../api.js';
import { Problem, Title, Waiting } from '../page.jsx';
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
  if (loadError) return <Problem>{loadError}</Problem>;
  if (!pet) return <Waiting />;

  const submit = async (e) => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await api.apply({ petId: pet.id, ...form });
      go('/applications?filed=1');
    } catch (problem) {
      setError(problem.message);
      setBusy(false);
    }
  };

  return (
    <>
      <p>
        <Link to={`/pets/${pet.id}`}>← Back to {pet.name}</Link>
      </p>
      <div className="detail">
        <Portrait look={pet.photo} id={pet.id} name={pet.name} />
        <form className="form" onSubmit={submit}>
          <Title>{`A home for ${pet.name}`}</Title>
          <label>
            Tell us about your home and why {pet.name} would be happy there
            <textarea
              name="message"
              rows="7"
              required
              minLength="10"
              maxLength="4000"
              value={form.message}
              onChange={(e) => setForm({ ...form, message: e.target.value })}
            />
          </label>
          <label>
            Phone (optional)
            <input
              name="phone"
              type="tel"
              autoComplete="tel"
              maxLength="40"
              value={form.phone}
              onChange={(e) => setForm({ ...form, phone: e.target.value })}
            />
          </label>
          {error && <Problem>{error}</Problem>}
          <button type="submit" disabled={busy} id="file-application">
            {busy ? 'Sending…' : 'Send the application'}
          </button>
        </form>
      </div>
    </>
  );
}
