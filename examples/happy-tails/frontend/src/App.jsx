import { Link, NavLink, Route, Routes } from 'react-router-dom';

import Adopt from './pages/Adopt.jsx';
import Applications from './pages/Applications.jsx';
import LogIn from './pages/LogIn.jsx';
import Pet from './pages/Pet.jsx';
import Pets from './pages/Pets.jsx';
import SignUp from './pages/SignUp.jsx';
import { useSession } from './session.jsx';

function Header() {
  const { user, leave } = useSession();
  return (
    <header>
      <Link to="/" className="brand">
        <img src="/paw.svg" alt="" width="28" height="28" /> Happy Tails
      </Link>
      <nav>
        <NavLink to="/" end>
          Pets
        </NavLink>
        {user ? (
          <>
            <NavLink to="/applications">My applications</NavLink>
            <button type="button" className="link" onClick={leave} id="log-out">
              Log out {user.name}
            </button>
          </>
        ) : (
          <>
            <NavLink to="/login">Log in</NavLink>
            <NavLink to="/signup">Sign up</NavLink>
          </>
        )}
      </nav>
    </header>
  );
}

export default function App() {
  return (
    <>
      <Header />
      <main>
        <Routes>
          <Route path="/" element={<Pets />} />
          <Route path="/pets/:id" element={<Pet />} />
          <Route path="/pets/:id/adopt" element={<Adopt />} />
          <Route path="/login" element={<LogIn />} />
          <Route path="/signup" element={<SignUp />} />
          <Route path="/applications" element={<Applications />} />
          <Route path="*" element={<h1>There is nothing here</h1>} />
        </Routes>
      </main>
      <footer>Happy Tails: every tail deserves a home.</footer>
    </>
  );
}
