import React from 'react';
import { createRoot } from 'react-dom/client';
import { BrowserRouter } from 'react-router-dom';

import App from './App.jsx';
import { Safety } from './page.jsx';
import { SessionProvider } from './session.jsx';
import './style.css';

createRoot(document.getElementById('root')).render(
  <React.StrictMode>
    <Safety>
      <BrowserRouter future={{ v7_startTransition: true, v7_relativeSplatPath: true }}>
        <SessionProvider>
          <App />
        </SessionProvider>
      </BrowserRouter>
    </Safety>
  </React.StrictMode>,
);
