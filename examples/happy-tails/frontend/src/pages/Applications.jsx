import { useEffect, useState } from 'react';
import { Link, Navigate, useSearchParams } from 'react-router-dom';

import Portrait from '../Portrait.jsx';
import { api } from '../api.js';
import { Problem, Title, Waiting } from '../page.jsx';
import { useSession } from '../session.jsx';

const WORDS = { pending: 'waiting for the shelter', approved: 'approved', declined: 'declined' };

function Application({ a, withdraw }) {
  return (
    <li className="card row">
      <Portrait look={a.petPhoto} id={a.petId} name={a.petName} />
      <div>
        <h2>
          <Link to={`/pets/${a.petId}`}>{a.petName}</Link>{' '}
          <span className={`badge ${a.status}`}>{WORDS[a.status] ?? a.status}</span>
        </h2>
        <p className="said">{a.message}</p>
        <p className="dim">
          Sent {new Date(a.createdAt).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })}
        </p>
        {a.status === 'pending' && (
          <button type="button" className="link" onClick={() => withdraw(a)}>
            Withdraw<span className="hidden"> the application for {a.petName}</span>
          </button>
        )}
      </div>
    </li>
  );
}

export default function Applications() {
  const { user, known } = useSession();
  const [list, setList] = useState(null);
  const [error, setError] = useState(null);
  const [params] = useSearchParams();

  const load = () =>
    api
      .applications()
      .then((a) => (setList(a.applications), setError(null)))
      .catch((e) => setError(e.message));
  const withdraw = (a) => {
    if (window.confirm(`Withdraw your application for ${a.petName}?`)) {
      api.withdraw(a.id).then(load, (e) => setError(e.message));
    }
  };

  useEffect(() => {
    if (user) load();
  }, [user]);

  if (known && !user) return <Navigate to="/login?next=/applications" replace />;
  return (
    <>
      <Title>My applications</Title>
      {params.get('filed') && (
        <p className="note" role="status">
          Thank you! The shelter will be in touch soon.
        </p>
      )}
      {error && <Problem again={load}>{error}</Problem>}
      {!list && !error && <Waiting />}
      {list && list.length === 0 && (
        <p className="empty">
          None yet. <Link to="/">Find a pet</Link>
        </p>
      )}
      <ul className="applications">
        {list?.map((a) => (
          <Application key={a.id} a={a} withdraw={withdraw} />
        ))}
      </ul>
    </>
  );
}
