import "./app.css";

import { mount } from "svelte";

import App from "./App.svelte";
import * as bridge from "./bridge";
import { Model } from "./model.svelte";

const model = new Model(bridge);
void model.start();
mount(App, { target: document.body, props: { model } });
