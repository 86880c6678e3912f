import { Link, useLocation } from 'react-router-dom';

import { api } from '../api.js';
import Account from './Account.jsx';

const FIELDS = [
  { name: 'email', label: 'E-mail', type: 'email', autoComplete: 'email' },
  { name: 'password', label: 'Password', type: 'password', autoComplete: 'current-password' },
];

export default function LogIn() {
  const { search } = useLocation();
  return (
    <Account title="Log in" fields={FIELDS} action="Log in" send={api.logIn}>
      <p>
        New here? <Link to={`/signup${search}`}>Sign up</Link>
      </p>
    </Account>
  );
}
