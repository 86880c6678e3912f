import { useEffect, useState } from 'react';
import { Link, useSearchParams } from 'react-router-dom';

import Portrait from '../Portrait.jsx';
import { api } from '../api.js';

const SPECIES = ['dog', 'cat', 'rabbit', 'bird', 'other'];
const SIZES = ['small', 'medium', 'large'];

export const age = (months) =>
  months < 24 ? `${months} month${months === 1 ? '' : 's'}` : `${Math.floor(months / 12)} years`;

function Filters({ filters, change }) {
  return (
    <form className="filters" role="search" onSubmit={(e) => e.preventDefault()}>
      <input
        type="search"
        placeholder="Name or breed"
        aria-label="Name or breed"
        value={filters.q ?? ''}
        onChange={(e) => change({ q: e.target.value })}
      />
      <select aria-label="Species" value={filters.species ?? ''} onChange={(e) => change({ species: e.target.value })}>
        <option value="">All species</option>
        {SPECIES.map((s) => (
          <option key={s}>{s}</option>
        ))}
      </select>
      <select aria-label="Size" value={filters.size ?? ''} onChange={(e) => change({ size: e.target.value })}>
        <option value="">All sizes</option>
        {SIZES.map((s) => (
          <option key={s}>{s}</option>
        ))}
      </select>
    </form>
  );
}

export default function Pets() {
  const [params, setParams] = useSearchParams();
  const [answer, setAnswer] = useState(null);
  const [error, setError] = useState(null);
  const filters = Object.fromEntries(params);
  const key = params.toString();

  useEffect(() => {
    let current = true;
    api
      .pets(Object.fromEntries(new URLSearchParams(key)))
      .then((a) => current && (setAnswer(a), setError(null)))
      .catch((e) => current && setError(e.message));
    return () => {
      current = false;
    };
  }, [key]);

  const change = (what) => {
    const next = { ...filters, page: undefined, ...what };
    setParams(Object.fromEntries(Object.entries(next).filter(([, v]) => v)), { replace: true });
  };

  return (
    <>
      <h1>Somebody is waiting for you</h1>
      <Filters filters={filters} change={change} />
      {error && <p className="error">{error}</p>}
      {!answer && !error && <p>Loading…</p>}
      {answer && answer.pets.length === 0 && <p>No pet matches. Try another filter.</p>}
      <ul className="cards">
        {answer?.pets.map((pet) => (
          <li key={pet.id} className="card">
            <Link to={`/pets/${pet.id}`}>
              <Portrait kind={pet.photo} id={pet.id} />
              <h2>{pet.name}</h2>
              <p>
                {pet.breed}, {age(pet.ageMonths)}
              </p>
              {pet.status !== 'available' && <span className="badge">{pet.status}</span>}
            </Link>
          </li>
        ))}
      </ul>
      {answer && answer.pages > 1 && (
        <nav className="pages" aria-label="Pages">
          <button type="button" disabled={answer.page <= 1} onClick={() => change({ page: String(answer.page - 1) })}>
            Previous
          </button>
          <span>
            {answer.page} of {answer.pages}
          </span>
          <button
            type="button"
            disabled={answer.page >= answer.pages}
            onClick={() => change({ page: String(answer.page + 1) })}
          >
            Next
          </button>
        </nav>
      )}
    </>
  );
}
