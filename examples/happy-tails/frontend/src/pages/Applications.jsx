import { useEffect, useState } from 'react';
import { Link, Navigate, useSearchParams } from 'react-router-dom';

import Portrait from '../Portrait.jsx';
import { api } from '../api.js';
import { useSession } from '../session.jsx';

export default function Applications() {
  const { user, known } = useSession();
  const [list, setList] = useState(null);
  const [error, setError] = useState(null);
  const [params] = useSearchParams();

  const load = () =>
    api
      .applications()
      .then((a) => setList(a.applications))
      .catch((e) => setError(e.message));

  useEffect(() => {
    if (user) load();
  }, [user]);

  if (known && !user) return <Navigate to="/login?next=/applications" replace />;
  return (
    <>
      <h1>My applications</h1>
      {params.get('filed') && <p className="note">Thank you! The shelter will call you.</p>}
      {error && <p className="error">{error}</p>}
      {list && list.length === 0 && (
        <p>
          None yet. <Link to="/">Find a pet</Link>
        </p>
      )}
      <ul className="applications">
        {list?.map((a) => (
          <li key={a.id} className="card row">
            <Portrait kind={a.petPhoto} id={a.petId} />
            <div>
              <h2>
                <Link to={`/pets/${a.petId}`}>{a.petName}</Link> <span className="badge">{a.status}</span>
              </h2>
              <p>{a.message}</p>
              <p className="dim">{new Date(a.createdAt).toLocaleString()}</p>
              {a.status === 'pending' && (
                <button
                  type="button"
                  className="link"
                  onClick={() => api.withdraw(a.id).then(load, (e) => setError(e.message))}
                >
                  Withdraw
                </button>
              )}
            </div>
          </li>
        ))}
      </ul>
    </>
  );
}
