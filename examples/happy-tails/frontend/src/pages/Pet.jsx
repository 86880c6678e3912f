import { useEffect, useState } from 'react';
import { Link, useParams } from 'react-router-dom';

import Portrait from '../Portrait.jsx';
import { api } from '../api.js';
import { Problem, Title, Waiting } from '../page.jsx';
import { age } from './Pets.jsx';

export function usePet(id) {
  const [pet, setPet] = useState(null);
  const [error, setError] = useState(null);
  useEffect(() => {
    let current = true;
    setPet(null);
    setError(null);
    api
      .pet(id)
      .then((p) => current && setPet(p))
      .catch((e) => current && setError(e.message));
    return () => {
      current = false;
    };
  }, [id]);
  return [pet, error];
}

const interest = (n) =>
  n === 1 ? 'One person has applied already.' : `${n} people have applied already.`;

export default function Pet() {
  const { id } = useParams();
  const [pet, error] = usePet(id);

  return (
    <>
      <p>
        <Link to="/">← All pets</Link>
      </p>
      {error && <Problem>{error}</Problem>}
      {!pet && !error && <Waiting />}
      {pet && (
        <article className="detail">
          <Portrait look={pet.photo} id={pet.id} name={pet.name} />
          <div>
            <Title>{pet.name}</Title>
            <p className="lead">{pet.description}</p>
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
            {pet.pendingApplications > 0 && <p className="note">{interest(pet.pendingApplications)}</p>}
            {pet.status === 'available' ? (
              <Link className="button large" to={`/pets/${pet.id}/adopt`} id="adopt">
                Adopt {pet.name}
              </Link>
            ) : (
              <p className="note">
                {pet.name} is {pet.status === 'adopted' ? 'adopted and has a home' : 'reserved'}.
              </p>
            )}
          </div>
        </article>
      )}
    </>
  );
}
