import { Link, useLocation } from 'react-router-dom';

import { api } from '../api.js';
import Account from './Account.jsx';

const FIELDS = [
  { name: 'name', label: 'Name', type: 'text', autoComplete: 'name', maxLength: 100 },
  { name: 'email', label: 'E-mail', type: 'email', autoComplete: 'email' },
  {
    name: 'password',
    label: 'Password',
    hint: '8 characters or more',
    type: 'password',
    autoComplete: 'new-password',
    minLength: 8,
    maxLength: 200,
  },
];

export default function SignUp() {
  const { search } = useLocation();
  return (
    <Account title="Sign up" fields={FIELDS} action="Sign up" send={api.signUp}>
      <p>
        Been here before? <Link to={`/login${search}`}>Log in</Link>
      </p>
    </Account>
  );
}
