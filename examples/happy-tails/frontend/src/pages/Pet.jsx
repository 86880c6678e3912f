import { useEffect, useState } from 'react';
import { Link, useParams } from 'react-router-dom';

import Portrait from '../Portrait.jsx';
import { api } from '../api.js';
import { age } from './Pets.jsx';

export function usePet(id) {
  const [pet, setPet] = useState(null);
  const [error, setError] = useState(null);
  useEffect(() => {
    api
      .pet(id)
      .then(setPet)
      .catch((e) => setError(e.message));
  }, [id]);
  return [pet, error];
}

export default function Pet() {
  const { id } = useParams();
  const [pet, error] = usePet(id);

  if (error) return <p className="error">{error}</p>;
  if (!pet) return <p>Loading…</p>;
  return (
    <article className="detail">
      <Portrait kind={pet.photo} id={pet.id} />
      <div>
        <h1>{pet.name}</h1>
        <dl>
          <dt>Breed</dt>
          <dd>{pet.breed}</dd>
          <dt>Age</dt>
          <dd>{age(pet.ageMonths)}</dd>
          <dt>Sex</dt>
          <dd>{pet.sex}</dd>
          <dt>Size</dt>
          <dd>{pet.size}</dd>
        </dl>
        <p>{pet.description}</p>
        {pet.pendingApplications > 0 && <p className="note">{pet.pendingApplications} people have applied.</p>}
        {pet.status === 'available' ? (
          <Link className="button" to={`/pets/${pet.id}/adopt`} id="adopt">
            Adopt {pet.name}
          </Link>
        ) : (
          <p className="badge">{pet.status}</p>
        )}
      </div>
    </article>
  );
}
