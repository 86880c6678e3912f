import { useEffect, useState } from 'react';
import { Link, useSearchParams } from 'react-router-dom';

import Portrait, { Family } from '../Portrait.jsx';
import { api } from '../api.js';
import { Problem, Title } from '../page.jsx';

const SPECIES = [
  ['', 'All'],
  ['dog', 'Dogs'],
  ['cat', 'Cats'],
  ['rabbit', 'Rabbits'],
  ['bird', 'Birds'],
  ['other', 'Others'],
];
const SIZES = ['small', 'medium', 'large'];
const TYPING_MS = 250;

export const age = (months) => {
  if (months < 12) return `${months} month${months === 1 ? '' : 's'}`;
  const years = Math.floor(months / 12);
  return `${years} year${years === 1 ? '' : 's'}`;
};

// Follows what is typed, but asks only once the typing pauses.
function Search({ value, change }) {
  const [text, setText] = useState(value);

  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value) return undefined;
    const later = setTimeout(() => change({ q: text }), TYPING_MS);
    return () => clearTimeout(later);
  }, [text]);
  return (
    <label className="grow">
      Name or breed
      <input type="search" name="q" maxLength="100" value={text} onChange={(e) => setText(e.target.value)} />
    </label>
  );
}

function Filters({ filters, change }) {
  return (
    <form className="filters" role="search" aria-label="Pets" onSubmit={(e) => e.preventDefault()}>
      <fieldset className="chips">
        <legend>Who are you looking for?</legend>
        {SPECIES.map(([value, label]) => (
          <label key={value} className="chip">
            <input
              type="radio"
              name="species"
              value={value}
              checked={(filters.species ?? '') === value}
              onChange={() => change({ species: value })}
            />
            <span>{label}</span>
          </label>
        ))}
      </fieldset>
      <Search value={filters.q ?? ''} change={change} />
      <label>
        Size
        <select name="size" value={filters.size ?? ''} onChange={(e) => change({ size: e.target.value })}>
          <option value="">Any size</option>
          {SIZES.map((s) => (
            <option key={s}>{s}</option>
          ))}
        </select>
      </label>
      <label className="check">
        <input
          type="checkbox"
          name="available"
          checked={filters.status === 'available'}
          onChange={(e) => change({ status: e.target.checked ? 'available' : '' })}
        />
        Still looking
      </label>
    </form>
  );
}

function Card({ pet }) {
  return (
    <li className="card">
      <Link to={`/pets/${pet.id}`} className={pet.status === 'available' ? '' : 'taken'}>
        <Portrait look={pet.photo} id={pet.id} name={pet.name} />
        {pet.status !== 'available' && <span className={`badge ${pet.status}`}>{pet.status}</span>}
        <h2>{pet.name}</h2>
        <p>{pet.breed}</p>
        <p className="dim">
          {age(pet.ageMonths)} · {pet.sex} · {pet.size}
        </p>
      </Link>
    </li>
  );
}

function Pages({ answer, go }) {
  return (
    <nav className="pages" aria-label="Pages">
      <button type="button" className="quiet" disabled={answer.page <= 1} onClick={() => go(answer.page - 1)}>
        Previous
      </button>
      <span>
        Page {answer.page} of {answer.pages}
      </span>
      <button type="button" className="quiet" disabled={answer.page >= answer.pages} onClick={() => go(answer.page + 1)}>
        Next
      </button>
    </nav>
  );
}

export default function Pets() {
  const [params, setParams] = useSearchParams();
  const [answer, setAnswer] = useState(null);
  const [error, setError] = useState(null);
  const [tries, setTries] = useState(0);
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
  }, [key, tries]);

  const show = (what, how) => {
    const next = { ...filters, page: undefined, ...what };
    setParams(Object.fromEntries(Object.entries(next).filter(([, v]) => v)), how);
  };
  const turn = (page) => {
    show({ page: page > 1 ? String(page) : undefined });
    document.getElementById('pets').scrollIntoView({ block: 'start' });
  };

  return (
    <>
      <section className="hero">
        <div>
          <Title text="Happy Tails">Somebody is waiting for you</Title>
          <p>Dogs, cats and smaller friends from our shelter are looking for a home. Meet them, and if it is love, apply.</p>
        </div>
        <Family />
      </section>
      <Filters filters={filters} change={(what) => show(what, { replace: true })} />
      <p className="dim count" role="status" id="count">
        {answer && !error && (answer.total === 1 ? '1 pet' : `${answer.total} pets`)}
        {!answer && !error && 'Loading…'}
      </p>
      {error && <Problem again={() => setTries(tries + 1)}>{error}</Problem>}
      {answer && answer.pets.length === 0 && <p className="empty">No pet matches. Try another filter.</p>}
      <ul className="cards" id="pets">
        {answer?.pets.map((pet) => (
          <Card key={pet.id} pet={pet} />
        ))}
      </ul>
      {answer && answer.pages > 1 && <Pages answer={answer} go={turn} />}
    </>
  );
}
