// A step with nothing of its own: the page follows its case.
import { follow } from "./portal-follow.js";

follow();
